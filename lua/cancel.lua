-- PURPOSE  Ends a job that isn't wanted any more.
-- KEYS     tag
-- ARGV     job_id, op, reason, company
--          op = names this call; company = whose job it must be, else it is 'missing' ('' = anyone's)
-- RETURNS  'cancelled', 'already' (by this very call), or a refusal: 'missing', 'finished'
-- MOVES    PENDING -> CANCELLED: lane, scheduled or inbox -> cancelled; PROCESSING -> CANCELLED: processing list and leases -> cancelled (what the attempt does later is refused as stale)
-- AGAIN    'already'
-- COST     O(log n)
-- include: record, finish

local job_id, op, reason, company = unpack(ARGV)
local job = record.read_of(company, job_id)
local refusal = finish.refusal(job, '', op)
if refusal then return refusal end
local word = finish.terminal(job, 'cancelled', { 'error', reason, 'last_op', finish.other(job, op) })
finish.flush()
return word
