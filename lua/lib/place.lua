-- include: keys, batch, lanes
-- Takes an unfinished job out of the one place that it is in.

local function leave(job)
  if job.worker then
    -- A write that needs no memory goes first: at maxmemory the server then lets the rest through.
    if redis.call('LREM', keys.processing(job.worker), 1, job.id) == 0 then
      redis.call('LREM', keys.inbox(job.worker), 1, job.id)
    end
    batch.zrem(keys.leases, job.id)
  elseif redis.call('ZREM', keys.scheduled, job.id) == 0 then
    lanes.remove(job)
  end
end

local place = { leave = leave }
