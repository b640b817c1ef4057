-- include: keys, clock
-- Workers that wait on their inbox.

-- How long a parked worker may take to pick up what it was handed.
local HANDOFF_LEASE_MS = 2000

-- When the lease of a job passes that is handed over now.
local function handoff_deadline() return string.format('%.0f', NOW + HANDOFF_LEASE_MS) end

-- Pops one worker that is parked for this key right now. Entries of workers that left since, or
-- whose time is over, are dropped on the way: each costs one pop, once.
local function pop_from(key)
  while true do
    local found = redis.call('ZPOPMIN', key)
    if not found[1] then return nil end
    if -found[2] < NOW then
      redis.call('DEL', key) -- the latest is over, so all are
      return nil
    end
    if redis.call('ZREM', keys.parked(), found[1]) == 1 then return found[1] end
  end
end

-- Pops a worker that is parked for jobs of this type, nil when none is.
local function pop_worker(job_type)
  return pop_from(keys.parked_for(job_type)) or pop_from(keys.parked_for(''))
end

local parked = { handoff_deadline = handoff_deadline, pop = pop_worker }
