-- include: keys, clock
-- What every worker does for all in passing, in bounded steps: due jobs, lost jobs, old records. Mostly there
-- is nothing to do, which a look at each index tells.

-- Between two steps of cleaning up, of all workers together: a step takes some 7 ms, in which nobody else is served.
local PAUSE_MS = 25

local function is_due(key) return redis.call('ZRANGEBYSCORE', key, '-inf', STAMP, 'LIMIT', '0', '1')[1] end

-- Returns the milliseconds after which to do it again because more is due, or nil. Who waits for jobs is worse off
-- than who waits for memory.
local function run(limit)
  local again
  if is_due(keys.scheduled()) then
    -- include here: promote
    if promote.due(limit) >= limit then again = 0 end
  end
  if is_due(keys.leases()) or is_due(keys.workers()) then
    -- include here: recover
    local _, more = recover.lost(limit)
    if more then again = 0 end
  end
  if is_due(keys.expiry()) then
    -- include here: cleanup
    if cleanup.expired(limit).more and not again then
      again = PAUSE_MS * math.max(1, redis.call('ZCARD', keys.workers()))
    end
  end
  return again
end

local tend = { run = run }
