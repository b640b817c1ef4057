-- include: keys, clock, batch, lanes
-- Where a job goes that is ready to run: straight to one parked worker, else to its lane.

-- How long a parked worker may take to pick up what it was handed.
local HANDOFF_LEASE_MS = 2000

local anybody = true -- whether a worker may be parked, as far as this call knows

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
    if redis.call('ZREM', keys.parked(), found[1]) == 1 then return found[1] end
  end
end

local function next_parked(job_type)
  anybody = anybody and redis.call('EXISTS', keys.parked()) == 1
  if not anybody then return nil end
  return pop_parked(keys.parked_for(job_type)) or pop_parked(keys.parked_for(''))
end

-- The job is PENDING and in no place; after this and flush() it is in exactly one.
local function offer(job)
  local worker = next_parked(job.type)
  if not worker then return lanes.push(job) end
  redis.call('HSET', keys.job(job.id), 'worker', worker)
  batch.zadd(keys.leases(), NOW + HANDOFF_LEASE_MS, job.id)
  batch.rpush(keys.inbox(worker), job.id)
end

local function flush()
  lanes.flush()
  batch.flush()
end

local handoff = { offer = offer, flush = flush }
