-- include: keys, clock, scheduled
-- A worker for which there is nothing to do.

-- Registers it as waiting on its inbox for jobs of these types (none given: of any type), for park_ms. Returns
-- the milliseconds until the next scheduled job is due, as scheduled.wait_ms does.
local function park(worker, types, park_ms)
  local parked_until = string.format('%.0f', NOW + park_ms)
  redis.call('ZADD', keys.parked(), parked_until, worker)
  if #types == 0 then types = { '' } end
  for _, job_type in ipairs(types) do
    local key = keys.parked_for(job_type)
    redis.call('ZREMRANGEBYSCORE', key, '(-' .. STAMP, '+inf')
    redis.call('ZADD', key, '-' .. parked_until, worker)
    -- It goes by itself when the last of its workers is gone.
    if redis.call('PTTL', key) < tonumber(park_ms) then redis.call('PEXPIRE', key, park_ms) end
  end
  return scheduled.wait_ms()
end

local idle = { park = park }
