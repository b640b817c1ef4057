-- The only clock: the server's, in milliseconds, read once per script call. STAMP is the same as
-- text: the server formats each number that a script passes on, which costs as much as a command.

local clock_reading = redis.call('TIME')
local NOW = clock_reading[1] * 1000 + math.floor(clock_reading[2] / 1000)
local STAMP = string.format('%.0f', NOW)
