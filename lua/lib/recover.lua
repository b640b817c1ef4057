-- include: keys, clock, record, finish, handoff, again
-- Jobs in hands that don't hold them any more: leases that passed, and lists of workers that are
-- gone. A running job's loss counts as an attempt; one that was only handed over goes back as it was, unless it
-- has expired meanwhile.

local DEFAULT_MAX_RETRIES = 3
local PER_LIST = 100
local WORKERS = 10
local PER_BURIAL = 1000
local LONGEST_PAUSE_MS = 60000
local SILENT = 'did not renew its lease'

local function lose(job, why, delay_ms)
  local max_retries = tonumber(job.max_retries
    or redis.call('HGET', keys.worker(job.worker), 'max_retries') or DEFAULT_MAX_RETRIES)
  local reason = 'worker lost: ' .. job.worker .. ' ' .. why .. ' (attempt '
    .. job.attempt - (job.returned or 0) .. ')'
  local losses, retries = (job.losses or 0) + 1, tonumber(job.retries or 0)
  if retries < max_retries then
    again.requeue(job, delay_ms, 'retries', retries + 1, 'losses', losses, 'last_error', reason,
      'last_op', finish.other(job, 'lost'))
  else
    finish.terminal(job, 'failed', { 'error', reason, 'losses', losses, 'last_op',
      finish.other(job, 'lost') })
  end
end

-- `job` is in the hands of a worker that holds it no more.
local function take_back(job, why, delay_ms)
  if job.status == 'processing' then
    lose(job, why, delay_ms or 0)
  elseif record.expires_at(job) <= NOW then
    finish.expire(job) -- else it would wake a worker in vain
  else
    again.give_back(job)
  end
end

local function expired_leases(limit)
  local ids = redis.call('ZRANGEBYSCORE', keys.leases(), '-inf', NOW, 'LIMIT', 0, limit)
  for _, id in ipairs(ids) do
    local job = record.read(id)
    if job and record.is_live(job) and job.worker then
      take_back(job, SILENT)
    else
      redis.call('ZREM', keys.leases(), id)
      if not job then
        -- include here: quarantine
        quarantine.look(id)
      end
    end
  end
  return #ids
end

-- An id that doesn't belong in a list, or whose record can't be used.
local function drop(list, id, job)
  redis.call('LREM', list, 1, id)
  if not job then
    -- include here: quarantine
    quarantine.look(id)
  end
end

-- Ids left in a dead worker's list: without a lease they are taken back, and an id whose record
-- says that it is elsewhere is dropped.
local function sweep(list, worker)
  local ids = redis.call('LRANGE', list, 0, PER_LIST - 1)
  for _, id in ipairs(ids) do
    local job = record.read(id)
    if not (job and record.is_live(job) and job.worker == worker) then
      drop(list, id, job)
    elseif not redis.call('ZSCORE', keys.leases(), id) then
      take_back(job, SILENT)
    end
  end
end

-- The first loss may be anyone's fault, and goes on at once. A job that loses its worker again waits
-- 2 s, then 4, ... so that one that kills its workers doesn't kill all of them within a moment.
local function pause(job)
  local losses = tonumber(job.losses or 0)
  return losses > 0 and math.min(LONGEST_PAUSE_MS, 1000 * 2 ^ losses) or 0
end

-- A worker that is known to be dead: its leases don't count. Adds to `ids` what it held.
local function bury(list, worker, why, ids)
  for _, id in ipairs(redis.call('LRANGE', list, 0, PER_BURIAL - 1)) do
    local job = record.read(id)
    if job and record.is_live(job) and job.worker == worker then
      take_back(job, why, pause(job))
      ids[#ids + 1] = id
    else
      drop(list, id, job)
    end
  end
end

-- Its record is kept while something is left in its lists, as a sweep does.
local function dead(worker, why)
  local ids = {}
  local inbox, processing = keys.inbox(worker), keys.processing(worker)
  redis.call('ZREM', keys.parked(), worker) -- nobody may hand it a job any more
  bury(processing, worker, why, ids)
  bury(inbox, worker, why, ids)
  handoff.flush()
  if redis.call('EXISTS', inbox, processing) == 0 then
    redis.call('ZREM', keys.workers(), worker)
    redis.call('DEL', keys.worker(worker))
  end
  return ids
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
  return #workers
end

-- Returns how many leases had passed, and whether there may be more to take back.
local function lost(limit)
  local passed = expired_leases(limit)
  local gone = gone_workers(WORKERS)
  handoff.flush()
  return passed, passed >= limit or gone >= WORKERS
end

local recover = { lost = lost, dead = dead }
