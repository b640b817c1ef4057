-- include: keys, clock, batch, record, index, place, handoff
-- The ends of an attempt: COMPLETED, FAILED, CANCELLED, or PENDING again.

local finish = {}

-- Whether the caller may end the job. A token names an attempt: only the one that runs may end the
-- job, and only once. Without a token (a person, a webhook) any unfinished job may be ended; `op`
-- names the call, so that a re-sent one is recognised.
function finish.refusal(job, token, op)
  if not job then return 'missing' end
  if job.last_op == op then return 'already' end
  if token ~= '' then
    if job.status == 'processing' and record.token(job) == token then return nil end
    return 'stale'
  end
  if record.is_live(job) then return nil end
  return 'finished'
end

-- Moves the job to a terminal status; `...` are further fields and values of its record.
function finish.terminal(job, status, op, ...)
  place.leave(job)
  redis.call('HSET', keys.job(job.id), 'status', status, 'last_op', op, 'updated_at', NOW,
    'finished_at', NOW, 'expires_at', NOW + job.ttl_ms, ...)
  batch.zadd(keys.finished(status), NOW, job.id)
  index.set(job, status)
  job.status = status
  return status
end

-- Back to PENDING, in its lane or, with a delay, scheduled.
function finish.requeue(job, op, delay_ms, ...)
  place.leave(job)
  local due_at = NOW + delay_ms
  redis.call('HDEL', keys.job(job.id), 'worker')
  redis.call('HSET', keys.job(job.id), 'status', 'pending', 'last_op', op, 'updated_at', NOW,
    'due_at', due_at, 'expires_at', due_at + job.ttl_ms, ...)
  index.set(job, 'pending')
  job.status, job.worker = 'pending', ''
  if delay_ms > 0 then
    batch.zadd(keys.scheduled, due_at, job.id)
  else
    handoff.offer(job)
  end
  return 'retrying'
end

function finish.complete(job, op, result)
  return finish.terminal(job, 'completed', op, 'result', result, 'progress', 100)
end

-- A failed attempt: again after the delay while retries are left, else FAILED for good.
-- The record's own max_retries goes before the worker's.
function finish.fail(job, op, error, traceback, delay_ms, max_retries)
  if job.retries < (job.max_retries or max_retries) then
    return finish.requeue(job, op, delay_ms, 'retries', job.retries + 1, 'last_error', error,
      'traceback', traceback)
  end
  return finish.terminal(job, 'failed', op, 'error', error, 'last_error', error,
    'traceback', traceback)
end

function finish.expire(job)
  return finish.terminal(job, 'cancelled', 'expired', 'error', 'expired before it started')
end

function finish.flush() handoff.flush() end
