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

local promote = { due = due }
