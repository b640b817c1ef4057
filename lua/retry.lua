-- PURPOSE  Gives a dead letter (or a cancelled job) a new life, with all its retries.
-- KEYS     tag
-- ARGV     job_id, op, company
--          op = names this call; company = whose job it must be, else it is 'missing' ('' = anyone's)
-- RETURNS  'pending', 'already' (by this very call), or a refusal: 'missing', 'unfinished', 'finished' (it completed)
-- MOVES    FAILED -> PENDING: failed -> inbox or lane; CANCELLED -> PENDING: cancelled -> inbox or lane
-- AGAIN    'already'
-- COST     O(log n)
-- include: keys, clock, record, handoff, finish

local job_id, op, company = unpack(ARGV)
local job = record.read_of(company, job_id)
if not job then return 'missing' end
if finish.was_done_by(job, op) then return 'already' end
if record.is_live(job) then return 'unfinished' end
if job.status == 'completed' then return 'finished' end

local reason = redis.call('HGET', keys.job(job_id), 'error')
-- First what producers have no right to: then the ACL refuses it before anything has changed.
redis.call('HDEL', keys.job(job_id), 'worker', 'error', 'traceback', 'retries', 'losses', 'progress',
  'progress_message', 'due_at')
redis.call('ZREM', keys.finished(job.status), job_id)
if job.status == 'failed' and reason then
  redis.call('HSET', keys.job(job_id), 'last_error', reason)
end
redis.call('HSET', keys.job(job_id), 'status', 'pending', 'updated_at', NOW,
  'last_op', finish.other(job, op))
job.status, job.worker = 'pending', nil
handoff.wait(job, NOW)
handoff.flush()
return 'pending'
