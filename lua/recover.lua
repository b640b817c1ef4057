-- PURPOSE  Takes jobs back from workers that don't hold them any more.
-- KEYS     tag
-- ARGV     limit
-- RETURNS  how many leases had passed
-- MOVES    PROCESSING -> PENDING: leases and processing list -> inbox or lane; PROCESSING -> FAILED ("worker lost") when no retries are left; PENDING stays: inbox -> inbox or lane; PENDING -> CANCELLED when its ttl has passed
-- AGAIN    recovers what is lost then
-- COST     O(limit * (log n + length of the dead worker's lists))
-- include: go_on, recover

local limit = unpack(ARGV)
local passed = recover.lost(tonumber(limit))
return passed
