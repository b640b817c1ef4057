-- include: keys, clock, batch, record, index, lanes, take
-- The beginning of an attempt: a PENDING job becomes PROCESSING, in a worker's hands. A script that needs
-- finish anyway includes it before this, so that the branch which expires a job has no copy of its own.

local EXPIRED_PER_CALL = 100

-- When a lease of so many milliseconds passes that begins now.
local function deadline_after(lease_ms) return string.format('%.0f', NOW + lease_ms) end

-- The job has been taken out of its place. Returns {id, token, record} with the record as it was
-- before this attempt, or nil when its ttl has passed (then it is CANCELLED).
-- `deadline`: of the lease, from deadline_after. `handed`: over to this worker, which gave the attempt its number
-- and the id its place in the worker's processing list.
local function attempt(job, flat, worker, deadline, handed)
  if record.expires_at(job) <= NOW then
    -- include here: finish
    finish.expire(job)
    return nil
  end
  if not (handed and job.attempt) then job.attempt = record.next_attempt(job) end
  redis.call('HSET', job.key, 'status', 'processing', 'attempt', job.attempt, 'worker', worker,
    'started_at', STAMP)
  if job.progress then redis.call('HDEL', job.key, 'progress', 'progress_message') end
  batch.zadd(keys.leases(), deadline, job.id)
  if not handed then batch.rpush(keys.processing(worker), job.id) end
  index.set(job, 'processing')
  return { job.id, record.token(job), flat }
end

-- A job that may have killed a worker, or that must not run twice, is claimed alone, by a worker that
-- holds nothing else: the worker's end then says something of it and of no other. A worker with several
-- slots would serve whole queues one by one like that; it starts what it claims at once, so only what was
-- lost twice goes alone.
local function runs_alone(job, slots)
  if (slots or 1) > 1 then return tonumber(job.losses or 0) > 1 end
  return job.losses or job.max_retries == '0'
end

-- Starts the ids in order. Returns how many of them it has dealt with, and whether the claim ends
-- there, because a job must run alone.
local function start_ids(ids, worker, deadline, slots, jobs, holds_more)
  for i, id in ipairs(ids) do
    local job, flat = record.read_whole(id)
    if not job then
      -- include here: quarantine
      quarantine.look(id)
    elseif job.status == 'pending' then
      local alone = runs_alone(job, slots)
      if alone and (#jobs > 0 or holds_more) then return i - 1, true end
      jobs[#jobs + 1] = attempt(job, flat, worker, deadline, false)
      if alone and #jobs > 0 then return i, true end
    end
  end
  return #ids, false
end

-- Puts ids that were taken and not started back, and their companies to the front of the ring in
-- the order in which they were due.
local function give_back(ids, first)
  local jobs = {}
  for i = first, #ids do
    local job = record.read(ids[i])
    if job and job.status == 'pending' then
      lanes.push(job)
      jobs[#jobs + 1] = job
    elseif not job then
      -- include here: quarantine
      quarantine.look(ids[i])
    end
  end
  lanes.flush()
  for i = #jobs, 1, -1 do lanes.to_front(jobs[i]) end
end

-- Claims up to `want` waiting jobs of these types (none given: of any type) into `jobs`.
-- Returns true when it stopped before it knew that nothing waits: jobs that expired while they
-- waited are cancelled on the way, a bounded number in one call. is_shared: the worker is a client of which many
-- callers claim, so that what it holds already doesn't run beside what must run alone.
local function claim(worker, deadline, want, slots, types, jobs, is_shared)
  if #types == 0 then types = redis.call('SRANDMEMBER', keys.types(), 16) end
  local budget = want + EXPIRED_PER_CALL
  local holds_more = not is_shared and redis.call('EXISTS', keys.processing(worker)) == 1
  for _, job_type in ipairs(types) do
    while #jobs < want do
      if budget <= 0 then return true end
      local ids = take.ids(job_type, math.min(want - #jobs, budget), slots)
      if #ids == 0 then break end
      budget = budget - #ids
      local started, ends = start_ids(ids, worker, deadline, slots, jobs, holds_more)
      if ends then
        give_back(ids, started + 1)
        return true
      end
    end
  end
  return false
end

-- ARGV from position `first` on, as a list.
local function list_from(first, last)
  local list = {}
  for i = first, last or #ARGV do list[#list + 1] = ARGV[i] end
  return list
end

local start = { deadline_after = deadline_after, attempt = attempt, claim = claim, list_from = list_from }
