-- include: keys, clock, record, finish
-- Jobs in hands that don't hold them any more: leases that passed, and lists of workers that are
-- gone. A running job's loss counts as an attempt; one that was only handed over goes back as it was.

local DEFAULT_MAX_RETRIES = 3
local PER_LIST = 100

local function lose(job)
  local max_retries = tonumber(job.max_retries
    or redis.call('HGET', keys.worker(job.worker), 'max_retries') or DEFAULT_MAX_RETRIES)
  local reason = 'worker lost: ' .. job.worker .. ' did not renew its lease (attempt '
    .. job.attempt - (job.returned or 0) .. ')'
  local losses, retries = (job.losses or 0) + 1, tonumber(job.retries or 0)
  if retries < max_retries then
    finish.requeue(job, 0, 'retries', retries + 1, 'losses', losses, 'last_error', reason,
      'last_op', finish.other(job, 'lost'))
  else
    finish.terminal(job, 'failed', { 'error', reason, 'losses', losses, 'last_op',
      finish.other(job, 'lost') })
  end
end

-- `job` is in a worker's hands without a valid lease.
local function take_back(job)
  if job.status == 'processing' then
    lose(job)
  else
    finish.give_back(job)
  end
end

local function expired_leases(limit)
  local ids = redis.call('ZRANGEBYSCORE', keys.leases(), '-inf', NOW, 'LIMIT', 0, limit)
  for _, id in ipairs(ids) do
    local job = record.read(id)
    if job and record.is_live(job) and job.worker then
      take_back(job)
    else
      redis.call('ZREM', keys.leases(), id)
    end
  end
  return #ids
end

-- Ids left in a dead worker's list: without a lease they are taken back, and an id whose record
-- says that it is elsewhere is dropped.
local function sweep(list, worker)
  local ids = redis.call('LRANGE', list, 0, PER_LIST - 1)
  for _, id in ipairs(ids) do
    local job = record.read(id)
    if not (job and record.is_live(job) and job.worker == worker) then
      redis.call('LREM', list, 1, id)
    elseif not redis.call('ZSCORE', keys.leases(), id) then
      take_back(job)
    end
  end
end

local function gone_workers(limit)
  local workers = redis.call('ZRANGEBYSCORE', keys.workers(), '-inf', NOW, 'LIMIT', 0, limit)
  for _, worker in ipairs(workers) do
    sweep(keys.inbox(worker), worker)
    sweep(keys.processing(worker), worker)
    if redis.call('EXISTS', keys.inbox(worker), keys.processing(worker)) == 0 then
      redis.call('ZREM', keys.workers(), worker)
      redis.call('ZREM', keys.parked(), worker)
      redis.call('DEL', keys.worker(worker))
    else
      redis.call('ZADD', keys.workers(), NOW + 1000, worker) -- look again in a second
    end
  end
end

local function lost(limit)
  local count = expired_leases(limit)
  gone_workers(10)
  finish.flush()
  return count
end

local recover = { lost = lost }
