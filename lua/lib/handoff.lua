-- include: keys, clock, batch, lanes
-- Where a job goes that is ready to run: straight to one parked worker, else to its lane.

local handoff = {}

-- How long a parked worker may take to pick up what it was handed.
local HANDOFF_LEASE_MS = 2000

-- Pops one worker that is parked for this key right now. Entries of workers that left since, or
-- whose time is over, are dropped on the way: each costs one pop, once.
local function pop_parked(key)
  while true do
    local found = redis.call('ZPOPMAX', key)
    if not found[1] then return nil end
    if tonumber(found[2]) < NOW then
      redis.call('DEL', key) -- the latest is over, so all are
      return nil
    end
    if redis.call('ZREM', keys.parked, found[1]) == 1 then return found[1] end
  end
end

local function next_parked(job_type)
  if handoff.nobody or redis.call('EXISTS', keys.parked) == 0 then
    handoff.nobody = true
    return nil
  end
  return pop_parked(keys.parked_for(job_type)) or pop_parked(keys.parked_for(''))
end

-- The job is PENDING and in no place; after this and handoff.flush() it is in exactly one.
function handoff.offer(job)
  local worker = next_parked(job.type)
  if not worker then return lanes.push(job) end
  redis.call('HSET', keys.job(job.id), 'worker', worker)
  batch.zadd(keys.leases, NOW + HANDOFF_LEASE_MS, job.id)
  batch.rpush(keys.inbox(worker), job.id)
end

function handoff.flush()
  lanes.flush()
  batch.flush()
end
