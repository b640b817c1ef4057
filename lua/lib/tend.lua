-- include: keys, clock
-- What every worker does for all in passing, in bounded steps: due jobs, lost jobs, old records. Mostly there
-- is nothing to do, which a look at each index tells.

local function is_due(key) return redis.call('ZRANGEBYSCORE', key, '-inf', STAMP, 'LIMIT', '0', '1')[1] end

local function run(limit)
  if is_due(keys.scheduled()) then
    -- include here: promote
    promote.due(limit)
  end
  if is_due(keys.leases()) or is_due(keys.workers()) then
    -- include here: recover
    recover.lost(limit)
  end
  if is_due(keys.expiry()) then
    -- include here: cleanup
    cleanup.expired(limit)
  end
end

local tend = { run = run }
