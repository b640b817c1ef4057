-- include: promote, recover, cleanup
-- What every worker does for all in passing, in bounded steps: due jobs, lost jobs, old records.

local tend = {}

function tend.run(limit)
  if limit == 0 then return end
  promote.due(limit)
  recover.lost(limit)
  cleanup.expired(limit)
end
