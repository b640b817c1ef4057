-- PURPOSE  Ends a job well.
-- KEYS     tag
-- ARGV     job_id, token, op, result
--          token = the attempt's, '' from outside a handler; op = names this call; result is msgpack
-- RETURNS  'completed', 'already' (by this very call or attempt), or a refusal: 'missing', 'finished', 'stale'
-- MOVES    PROCESSING -> COMPLETED: processing list and leases -> completed; PENDING -> COMPLETED (outside only)
-- AGAIN    'already'
-- COST     O(log n)
-- include: record, finish

local job_id, token, op, result = unpack(ARGV)
local job = record.read(job_id)
local refusal = finish.refusal(job, token, op)
if refusal then return refusal end
local word = finish.complete(job, token, op, result)
finish.flush()
return word
