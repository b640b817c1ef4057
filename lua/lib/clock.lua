-- The only clock: the server's, in milliseconds, read once per script call. STAMP is the same as
-- text: the server formats each number that a script passes on, which costs as much as a command.
-- So does Lua, wherever a number becomes text.

local STAMP
do
  local seconds, microseconds = unpack(redis.call('TIME'))
  if #microseconds < 6 then microseconds = string.sub('00000' .. microseconds, -6) end
  STAMP = seconds .. string.sub(microseconds, 1, 3)
end
local NOW = tonumber(STAMP)
