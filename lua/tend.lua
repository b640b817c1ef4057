-- PURPOSE  What a busy worker does for all, now and then: promote, recover and cleanup in one call.
-- KEYS     tag
-- ARGV     limit
--          limit = at most so many due, lost and old jobs each
-- RETURNS  'tended'
-- MOVES    as promote, recover and cleanup do
-- AGAIN    does what is due then
-- COST     O(limit * log n)
-- include: go_on, tend

local limit = unpack(ARGV)
tend.run(tonumber(limit))
return 'tended'
