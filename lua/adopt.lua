-- PURPOSE  Gives a worker what stands in its own lists and what it doesn't know of: after a wake-up, and after any connection fault.
-- KEYS     tag
-- ARGV     worker, lease_ms, known...
--          known = ids that the worker holds already; what its inbox has is given all the same
-- RETURNS  {now, jobs}, as claim does
-- MOVES    PENDING (handed over) -> PROCESSING: inbox -> processing list; a job already PROCESSING by this worker keeps its attempt; PENDING -> CANCELLED when its ttl has passed
-- AGAIN    returns the same jobs
-- COST     O(length of the worker's own lists)
-- include: clock, batch, start, hold

local worker, lease_ms = unpack(ARGV, 1, 2)
local jobs = {}
hold.unpark(worker)
hold.adopt(worker, start.deadline_after(lease_ms), start.list_from(3), jobs)
batch.flush()
return { NOW, cmsgpack.pack(jobs) }
