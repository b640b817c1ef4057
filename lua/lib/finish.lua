-- include: keys, clock, batch, record, payload, index, place, handoff, notice
-- The ends of an attempt: COMPLETED, FAILED, CANCELLED, or PENDING again.

-- The record's last_op names the attempt that was ended and what ended it, unless the attempt did so
-- itself: `3/op:81f2` or `3/lost`.
local function other(job, op) return (job.attempt or '0') .. '/' .. op end

local function ended_by_other(job)
  return job.last_op and string.match(job.last_op, '^%d+') == (job.attempt or '0')
end

local function was_done_by(job, op)
  return job.last_op and string.match(job.last_op, '/(.*)$') == op
end

-- Whether the caller may end the job; nil when it may. A token names an attempt: only the one that
-- runs may end the job, and only once. Without a token (a person, a webhook) any unfinished job may
-- be ended; `op` names the call, so that a re-sent one is recognised.
local function refusal_of(job, token, op)
  if not job then return 'missing' end
  if token ~= '' then
    if record.token(job) ~= token then return 'stale' end
    if job.status == 'processing' then return nil end
    if job.worker and job.status == 'pending' then return 'stale' end -- handed over, and not begun
    return ended_by_other(job) and 'stale' or 'already'
  end
  if was_done_by(job, op) then return 'already' end
  if record.is_live(job) then return nil end
  return 'finished'
end

-- A hand-over has given the next attempt its number. It isn't begun: it counts as one that was given back.
-- Further fields and values are written with it.
local function count_unbegun(job, ...)
  if job.status ~= 'pending' or not job.worker then return end
  job.returned = (job.returned or 0) + 1
  redis.call('HSET', job.key, 'returned', job.returned, ...)
end

-- Moves the job to a terminal status; `fields` are further fields and values of its record.
local function terminal(job, status, fields)
  place.leave(job)
  redis.call('HSET', job.key, 'status', status, 'updated_at', STAMP, unpack(fields))
  count_unbegun(job)
  batch.zadd(keys.finished(status), STAMP, job.id)
  index.set(job, status)
  notice.ended(job, status)
  job.status, job.updated_at = status, STAMP
  return status
end

-- Back to PENDING, in its lane or, with a delay, scheduled.
local function requeue(job, delay_ms, ...)
  redis.call('HDEL', job.key, 'worker') -- first: a user whose ACL lacks it is refused before a change
  place.leave(job)
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
    count_unbegun(job, 'last_op', other(job, why or 'handed'))
    job.worker = nil
    return handoff.offer(job)
  end
  return requeue(job, 0, 'returned', (job.returned or 0) + 1, 'last_op', other(job, why))
end

-- Field and value of last_op, for an end that isn't the attempt's own.
local function by(job, token, op)
  if token == '' then return 'last_op', other(job, op) end
end

local function complete(job, token, op, result)
  local fields = { by(job, token, op) }
  payload.add(fields, 'result', result)
  return terminal(job, 'completed', fields)
end

-- A failed attempt: again after the delay while retries are left, else FAILED for good.
-- The record's own max_retries goes before the worker's; below 0 = never again, whoever says otherwise.
local function fail(job, token, op, error, traceback, delay_ms, max_retries)
  local retries = tonumber(job.retries or 0)
  if max_retries >= 0 and retries < (tonumber(job.max_retries) or max_retries) then
    return requeue(job, delay_ms, 'retries', retries + 1, 'last_error', error,
      'traceback', traceback, by(job, token, op))
  end
  return terminal(job, 'failed', { 'error', error, 'traceback', traceback, by(job, token, op) })
end

-- An attempt that its worker could not begin and another may: no attempt as its users count them.
local function postpone(job, reason, delay_ms)
  return requeue(job, delay_ms, 'returned', (job.returned or 0) + 1, 'last_error', reason)
end

local function expire(job)
  return terminal(job, 'cancelled', { 'error', 'expired before it started', 'last_op',
    other(job, 'expired') })
end

local finish = {
  other = other,
  was_done_by = was_done_by,
  refusal = refusal_of,
  terminal = terminal,
  requeue = requeue,
  give_back = give_back,
  complete = complete,
  fail = fail,
  postpone = postpone,
  expire = expire,
  flush = handoff.flush,
}
