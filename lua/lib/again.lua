-- include: clock, place, handoff, finish
-- Attempts that end with the job PENDING again. Call handoff.flush() after.

-- Back to PENDING, in its lane or, with a delay, scheduled.
local function requeue(job, delay_ms, ...)
  redis.call('HDEL', job.key, 'worker') -- first: a user whose ACL lacks it is refused before a change
  place.leave(job)
  finish.count_unbegun(job)
  redis.call('HSET', job.key, 'status', 'pending', 'updated_at', STAMP, 'due_at',
    NOW + delay_ms, ...)
  job.status, job.worker = 'pending', nil
  handoff.wait(job, NOW + delay_ms)
  return 'retrying'
end

-- Back to where it waited, from a worker that has not run it: no attempt as its users count them.
-- A job that was only handed over, PENDING all the time, doesn't live longer by it.
local function give_back(job, why)
  if job.status == 'pending' then
    redis.call('HDEL', job.key, 'worker')
    place.leave(job)
    finish.count_unbegun(job, 'last_op', finish.other(job, why or 'handed'))
    job.worker = nil
    return handoff.offer(job)
  end
  return requeue(job, 0, 'returned', (job.returned or 0) + 1, 'last_op', finish.other(job, why))
end

-- A failed attempt: again after the delay while retries are left, else FAILED for good.
-- The record's own max_retries goes before the worker's; below 0 = never again, whoever says otherwise.
local function fail(job, token, op, error, traceback, delay_ms, max_retries)
  local retries = tonumber(job.retries or 0)
  if max_retries >= 0 and retries < (tonumber(job.max_retries) or max_retries) then
    return requeue(job, delay_ms, 'retries', retries + 1, 'last_error', error,
      'traceback', traceback, finish.by(job, token, op))
  end
  return finish.terminal(job, 'failed', { 'error', error, 'traceback', traceback, finish.by(job, token, op) })
end

-- An attempt that its worker could not begin and another may: no attempt as its users count them.
local function postpone(job, reason, delay_ms)
  return requeue(job, delay_ms, 'returned', (job.returned or 0) + 1, 'last_error', reason)
end

local again = { requeue = requeue, give_back = give_back, fail = fail, postpone = postpone }
