-- include: keys, batch, record, start
-- What a worker finds in its own lists: jobs handed to it, and jobs that it claimed in a call whose
-- reply was lost.

local LAST = '999' -- of those that one call looks at

-- The worker doesn't wait on its inbox any more: nobody may hand it a job.
local function unpark(worker) redis.call('ZREM', keys.parked(), worker) end

local function take_over(id, worker, deadline)
  local job, flat = record.read_whole(id)
  if not (job and record.is_live(job) and job.worker == worker) then
    redis.call('LREM', keys.processing(worker), '1', id) -- taken back from this worker meanwhile
    if not job then
      -- include here: quarantine
      quarantine.look(id)
    end
    return nil
  end
  if job.status == 'pending' then return start.attempt(job, flat, worker, deadline, true) end
  batch.zadd(keys.leases(), deadline, id)
  return { id, record.token(job), flat }
end

-- Adds to `jobs` what stands in the worker's lists and isn't among the ids in `known`.
local function adopt(worker, deadline, known, jobs)
  local inbox, processing = keys.inbox(worker), keys.processing(worker)
  local is_known = {}
  for _, id in ipairs(known) do is_known[id] = true end
  for _ = 1, redis.call('LLEN', inbox) do
    -- What is handed over is another attempt than the one that the worker knows of.
    is_known[redis.call('LMOVE', inbox, processing, 'LEFT', 'RIGHT')] = nil
  end
  for _, id in ipairs(redis.call('LRANGE', processing, '0', LAST)) do
    if not is_known[id] then
      jobs[#jobs + 1] = take_over(id, worker, deadline)
    end
  end
end

local hold = { unpark = unpark, adopt = adopt }
