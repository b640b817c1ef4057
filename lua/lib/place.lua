-- include: keys, lanes
-- Takes an unfinished job out of the one place that it is in.

local place = {}

function place.leave(job)
  if job.worker ~= '' then
    redis.call('ZREM', keys.leases, job.id)
    if redis.call('LREM', keys.processing(job.worker), 1, job.id) == 0 then
      redis.call('LREM', keys.inbox(job.worker), 1, job.id)
    end
  elseif redis.call('ZREM', keys.scheduled, job.id) == 0 then
    lanes.remove(job)
  end
end
