-- The only clock: the server's, in milliseconds, read once per script call. STAMP is the same as
-- text: the server formats each number that a script passes on, which costs as much as a command.

local clock_reading = redis.call('TIME')
local STAMP = clock_reading[1] .. string.sub(1000000 + clock_reading[2], 2, 4)
local NOW = tonumber(STAMP)
