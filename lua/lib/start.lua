-- include: keys, clock, batch, record, index, lanes, finish
-- The beginning of an attempt: a PENDING job becomes PROCESSING, in a worker's hands.

local start = {}

local EXPIRED_PER_CALL = 100

-- The job has been taken out of its place. Returns {id, token, record...} as it was before this
-- attempt, or nil when the job can't run (then it is where it belongs).
-- `listed`: the id already stands in the worker's processing list.
function start.attempt(job, flat, worker, lease_ms, listed)
  if job.expires_at <= NOW then
    finish.expire(job)
    return nil
  end
  job.attempt, job.status, job.worker = job.attempt + 1, 'processing', worker
  redis.call('HSET', keys.job(job.id), 'status', 'processing', 'attempt', job.attempt,
    'worker', worker, 'started_at', NOW, 'updated_at', NOW, 'progress', 0)
  batch.zadd(keys.leases, NOW + lease_ms, job.id)
  if not listed then batch.rpush(keys.processing(worker), job.id) end
  index.set(job, 'processing')
  return { job.id, record.token(job), flat }
end

-- A job that may have killed a worker, or that must not run twice, is claimed alone: its worker's
-- end then says something of it and of no other.
local function runs_alone(job) return job.losses > 0 or job.max_retries == 0 end

local function start_ids(ids, worker, lease_ms, jobs)
  for i, id in ipairs(ids) do
    local job, flat = record.read_whole(id)
    if job and job.status == 'pending' then
      local alone = runs_alone(job)
      if alone and #jobs > 0 then
        return ids, i
      end
      jobs[#jobs + 1] = start.attempt(job, flat, worker, lease_ms, false)
      if alone and #jobs > 0 then return ids, i + 1 end
    end
  end
end

local function give_back(ids, first)
  for i = first, #ids do
    local job = record.read(ids[i])
    if job and job.status == 'pending' then lanes.push(job) end
  end
  lanes.flush()
end

-- Claims up to `want` waiting jobs of these types (none given: of any type) into `jobs`.
-- Returns true when it stopped before it knew that nothing waits: jobs that expired while they
-- waited are cancelled on the way, a bounded number in one call.
function start.claim(worker, lease_ms, want, types, jobs)
  if #types == 0 then types = redis.call('SRANDMEMBER', keys.types, 16) end
  local budget = want + EXPIRED_PER_CALL
  for _, job_type in ipairs(types) do
    while #jobs < want do
      if budget <= 0 then return true end
      local ids = lanes.take(job_type, math.min(want - #jobs, budget))
      if #ids == 0 then break end
      budget = budget - #ids
      local rest, first = start_ids(ids, worker, lease_ms, jobs)
      if rest then
        give_back(rest, first)
        return true
      end
    end
  end
  return false
end

-- ARGV from position `first` on, as a list.
function start.list_from(first, last)
  local list = {}
  for i = first, last or #ARGV do list[#list + 1] = ARGV[i] end
  return list
end
