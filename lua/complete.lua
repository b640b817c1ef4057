-- PURPOSE  Ends a job well.
-- KEYS     tag
-- ARGV     job_id, token, op, result, company
--          token = the attempt's, '' from outside a handler; op = names this call; result is msgpack
--          company = whose job it must be, else it is 'missing' ('' = anyone's)
-- RETURNS  'completed', 'already' (by this very call or attempt), or a refusal: 'missing', 'finished', 'stale'
-- MOVES    PROCESSING -> COMPLETED: processing list and leases -> completed; PENDING -> COMPLETED (outside only)
-- AGAIN    'already'
-- COST     O(log n)
-- include: batch, record, finish

local job_id, token, op, result, company = unpack(ARGV)
local job = record.read_of(company, job_id)
local refusal = finish.refusal(job, token, op)
if refusal then return refusal end
local word = finish.complete(job, token, op, result)
batch.flush()
return word
