-- PURPOSE  Ends records whose time has passed, and those that finished before a given time.
-- KEYS     tag
-- ARGV     limit, finished_before_ms
--          finished_before_ms '' = only by ttl, else also jobs that finished at or before NOW - finished_before_ms
-- RETURNS  {purged by age, purged by ttl, expired before they started, 1 when more may be due by ttl, else 0}
-- MOVES    PENDING -> CANCELLED when its ttl has passed; COMPLETED, FAILED, CANCELLED -> (none): record and every index entry
-- AGAIN    cleans what is due then
-- COST     O(limit * log n)
-- include: keys, clock, cleanup

local limit, finished_before_ms = unpack(ARGV)
limit = tonumber(limit)
-- A write that needs no memory goes first, as go_on's; this one only operators and workers have a right
-- to, so that the ACL refuses others before anything is purged.
redis.call('HDEL', keys.homes(), '')
local aged = 0
if finished_before_ms ~= '' then
  aged = cleanup.finished_before(NOW - tonumber(finished_before_ms), limit)
end
local counts = cleanup.expired(limit)
return { aged, counts.purged, counts.expired, counts.more and 1 or 0 }
