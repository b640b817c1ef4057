-- PURPOSE  What a busy worker does for all, now and then: promote, recover and cleanup in one call.
-- KEYS     tag
-- ARGV     limit
--          limit = at most so many due, lost and old jobs each
-- RETURNS  the milliseconds after which to call it again because more is due, or -1
-- MOVES    as promote, recover and cleanup do
-- AGAIN    does what is due then
-- COST     O(limit * log n)
-- include: go_on, tend

local limit = unpack(ARGV)
return tend.run(tonumber(limit)) or -1
