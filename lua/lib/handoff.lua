-- include: keys, clock, batch, record, lanes, parked, index
-- Where a job goes that is ready to run: straight to one parked worker, else to its lane.

local anybody = true -- whether a worker may be parked, as far as this call knows

local function next_parked(job_type)
  anybody = anybody and redis.call('EXISTS', keys.parked()) == 1
  if not anybody then return nil end
  return parked.pop(job_type)
end

-- The job is PENDING and in no place; after this and flush() it is in exactly one. Returns whether that is its
-- lane, which lists it for its company from now on; `is_new`: nothing else did so before.
local function offer(job, is_new)
  local worker = next_parked(job.type)
  if not worker then
    lanes.push(job)
    if job.co and not is_new then batch.zrem(keys.index_company(job.co), job.id) end
    return true
  end
  job.attempt = record.next_attempt(job)
  redis.call('HSET', keys.job(job.id), 'worker', worker, 'attempt', job.attempt)
  batch.zadd(keys.leases(), parked.handoff_deadline(), job.id)
  batch.rpush(keys.inbox(worker), job.id)
  return false
end

-- Where a job waits that has become PENDING, by when it is due; and lists it.
local function wait(job, due_at, is_new)
  local in_lane = false
  if due_at > NOW then
    batch.zadd(keys.scheduled(), due_at, job.id)
  else
    in_lane = offer(job, is_new)
  end
  index.set(job, 'pending', in_lane)
end

local function flush_all()
  lanes.flush()
  batch.flush()
end

local handoff = { wait = wait, offer = offer, flush = flush_all }
