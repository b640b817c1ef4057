-- PURPOSE  Ends an attempt badly: the job is tried again while retries are left, else it is a dead letter.
-- KEYS     tag
-- ARGV     job_id, token, op, error, traceback, retry_delay_ms, max_retries, company
--          token = the attempt's, '' from outside a handler; op = names this call
--          max_retries = when the record has none of its own; '-1' = never again, '' = again in any case, and it counts as no retry
--          company = whose job it must be, else it is 'missing' ('' = anyone's)
-- RETURNS  'retrying', 'failed', 'already' (by this very call or attempt), 'pending' (it waits: nothing to do, when max_retries is ''), or a refusal: 'missing', 'finished', 'stale'
-- MOVES    PROCESSING -> PENDING: processing list and leases -> scheduled, or a lane when the delay is 0; PROCESSING -> FAILED: -> failed; PENDING -> FAILED (outside only)
-- AGAIN    'already'
-- COST     O(log n)
-- include: record, finish, handoff, again

local job_id, token, op, error, traceback, retry_delay_ms, max_retries, company = unpack(ARGV)
local job = record.read_of(company, job_id)
local refusal = finish.refusal(job, token, op)
if refusal then return refusal end
local word
if max_retries ~= '' then
  word = again.fail(job, token, op, error, traceback, tonumber(retry_delay_ms), tonumber(max_retries))
elseif job.status == 'pending' then
  return 'pending'
else
  word = again.requeue(job, tonumber(retry_delay_ms), 'last_error', error, 'traceback', traceback,
    finish.by(job, token, op))
end
handoff.flush()
return word
