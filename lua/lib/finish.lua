-- include: keys, clock, batch, record, payload, index, place, notice
-- The ends of a job: COMPLETED, FAILED, CANCELLED. Call batch.flush() after.

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

-- Field and value of last_op, for an end that isn't the attempt's own.
local function by(job, token, op)
  if token == '' then return 'last_op', other(job, op) end
end

local function complete(job, token, op, result)
  local fields = { by(job, token, op) }
  payload.add(fields, 'result', result)
  return terminal(job, 'completed', fields)
end

local function expire(job)
  return terminal(job, 'cancelled', { 'error', 'expired before it started', 'last_op',
    other(job, 'expired') })
end

local finish = {
  other = other,
  by = by,
  was_done_by = was_done_by,
  refusal = refusal_of,
  count_unbegun = count_unbegun,
  terminal = terminal,
  complete = complete,
  expire = expire,
}
