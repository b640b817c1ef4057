-- PURPOSE  A worker is known to have died: what it held is lost now, its leases aren't waited for.
-- KEYS     tag
-- ARGV     worker, why
-- RETURNS  ids that it held
-- MOVES    PROCESSING -> PENDING: processing list and leases -> inbox of another or lane, or scheduled when it was lost before; PROCESSING -> FAILED ("worker lost") when no retries are left; PENDING stays: inbox -> inbox of another or lane; PENDING -> CANCELLED when its ttl has passed
-- AGAIN    takes back what is left
-- COST     O(length of the worker's own lists * log n)
-- include: go_on, recover

local worker, why = unpack(ARGV)
return recover.dead(worker, why)
