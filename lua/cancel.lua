-- PURPOSE  Ends a job that isn't wanted any more, and tells the worker that runs it.
-- KEYS     tag
-- ARGV     job_id, op, reason, company
--          op = names this call; company = whose job it must be, else it is 'missing' ('' = anyone's)
-- RETURNS  'cancelled', 'already' (by this very call), or a refusal: 'missing', 'finished'
-- MOVES    PENDING -> CANCELLED: lane, scheduled or inbox -> cancelled; PROCESSING -> CANCELLED: processing list and leases -> cancelled (what the attempt does later is refused as stale)
-- AGAIN    'already'
-- COST     O(log n)
-- include: keys, batch, record, finish

local job_id, op, reason, company = unpack(ARGV)
local job = record.read_of(company, job_id)
local refusal = finish.refusal(job, '', op)
if refusal then return refusal end
local runs = job.status == 'processing'
local word = finish.terminal(job, 'cancelled', { 'error', reason, 'last_op', finish.other(job, op) })
batch.flush()
-- pcall: a server whose ACL forbids it has cancelled the job all the same; the heartbeat tells then.
if runs then redis.pcall('PUBLISH', keys.tell(job.worker), record.token(job) .. ' ' .. job_id) end
return word
