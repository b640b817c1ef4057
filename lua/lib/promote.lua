-- include: keys, clock, record, handoff
-- Scheduled jobs that are due go to a parked worker or to their lane.

local function due(limit)
  local ids = redis.call('ZRANGEBYSCORE', keys.scheduled(), '-inf', NOW, 'LIMIT', 0, limit)
  for _, id in ipairs(ids) do
    redis.call('ZREM', keys.scheduled(), id)
    local job = record.read(id)
    if not job then
      -- include here: quarantine
      quarantine.look(id)
    elseif job.status == 'pending' then
      handoff.offer(job)
    end
  end
  if #ids > 0 then handoff.flush() end
  return #ids
end

-- Milliseconds until the next scheduled job is due; -1 when there is none.
local function wait_ms()
  local head = redis.call('ZRANGE', keys.scheduled(), 0, 0, 'WITHSCORES')
  if not head[1] then return -1 end
  return math.max(0, head[2] - NOW)
end

local promote = { due = due, wait_ms = wait_ms }
