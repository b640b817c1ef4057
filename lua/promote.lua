-- PURPOSE  Makes scheduled jobs ready whose time has come.
-- KEYS     tag
-- ARGV     limit
-- RETURNS  {how many, ms until the next one is due (-1: none)}
-- MOVES    PENDING stays: scheduled -> inbox or lane
-- AGAIN    promotes what is due then
-- COST     O(limit * log n)
-- include: go_on, promote, scheduled

local limit = unpack(ARGV)
local count = promote.due(tonumber(limit))
return { count, scheduled.wait_ms() }
