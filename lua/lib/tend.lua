-- include: promote, recover, cleanup
-- What every worker does for all in passing, in bounded steps: due jobs, lost jobs, old records.

local function run(limit)
  promote.due(limit)
  recover.lost(limit)
  cleanup.expired(limit)
end

local tend = { run = run }
