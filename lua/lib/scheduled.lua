-- include: keys, clock
-- When scheduled jobs are due.

-- Milliseconds until the next scheduled job is due; -1 when there is none.
local function wait_ms()
  local head = redis.call('ZRANGE', keys.scheduled(), '0', '0', 'WITHSCORES')
  if not head[1] then return -1 end
  return math.max(0, head[2] - NOW)
end

local scheduled = { wait_ms = wait_ms }
