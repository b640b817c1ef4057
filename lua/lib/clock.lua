-- The only clock: the server's, in milliseconds, read once per script call.

local clock_reading = redis.call('TIME')
local NOW = clock_reading[1] * 1000 + math.floor(clock_reading[2] / 1000)
