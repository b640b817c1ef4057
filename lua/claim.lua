-- PURPOSE  Gives a worker up to `want` waiting jobs, fairly between companies.
-- KEYS     tag
-- ARGV     worker, lease_ms, want, types...
--          no types = any type
-- RETURNS  {now, jobs}, packed (msgpack): {job_id, token, record}..., the record as it was before this attempt
-- MOVES    PENDING -> PROCESSING: lane -> processing list and leases; PENDING -> CANCELLED when its ttl has passed
-- AGAIN    claims more: never re-sent by the client; adopt finds what a lost reply named
-- COST     O(want * log n)
-- include: clock, batch, start

local worker, lease_ms, want = unpack(ARGV, 1, 3)
local jobs = {}
-- What other callers of the same client hold doesn't count.
start.claim(worker, start.deadline_after(lease_ms), tonumber(want), 1, start.list_from(4), jobs, true)
batch.flush()
return { NOW, cmsgpack.pack(jobs) }
