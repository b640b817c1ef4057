-- include: keys, score
-- Waiting jobs: a lane per (priority, type, company), scored as an index is, so the newest job stands first and the
-- oldest is taken from the end; and a ring per (priority, type) of the companies whose lane isn't empty, by turn.

local LANE_CHUNK = 2000

local waiting = {} -- lane key -> {job = one of its jobs, score, id, ...}

local function key_of(job) return keys.lane(job.priority or '0', job.type, job.co or '') end

local function ring_of(job) return keys.ring(job.priority or '0', job.type) end

local previous, begins_with = {}, nil -- the job that was pushed last, and what its lane's name begins with

-- Queues the job for its lane; flush() puts it there. Its submission number is its place, so
-- a job that comes back stands where it stood.
local function push(job)
  if job.type ~= previous.type or job.priority ~= previous.priority then
    begins_with = keys.lane(job.priority or '0', job.type, '') -- the company is the end of a lane's name
  end
  previous = job
  local key = begins_with .. (job.co or '')
  local entries = waiting[key]
  if entries then
    local n = #entries
    entries[n + 1], entries[n + 2] = score.of(job, 'pending'), job.id
  else
    waiting[key] = { score.of(job, 'pending'), job.id, job = job }
  end
end

local function last_turn(ring)
  return tonumber(redis.call('ZRANGE', ring, '-1', '-1', 'WITHSCORES')[2] or 0)
end

-- The companies of these jobs, of one ring, wait now and did not before: behind those that do.
local function join(ring, jobs)
  local turn, turns = last_turn(ring), {}
  for i, job in ipairs(jobs) do
    local n = #turns
    turns[n + 1], turns[n + 2] = string.format('%.0f', turn + i), job.co or ''
    if n + 2 == LANE_CHUNK or i == #jobs then
      redis.call('ZADD', ring, 'NX', unpack(turns))
      turns = {}
    end
  end
  if turn <= 0 then redis.call('SADD', keys.types(), jobs[1].type) end
end

local function join_ring(job) join(ring_of(job), { job }) end

local function flush_lanes()
  local joining = {} -- ring -> a job of each company
  for key, entries in pairs(waiting) do
    local added = 0
    for first = 1, #entries, LANE_CHUNK do
      local last = math.min(first + LANE_CHUNK - 1, #entries)
      added = added + redis.call('ZADD', key, unpack(entries, first, last))
    end
    if redis.call('ZCARD', key) == added then
      local ring = ring_of(entries.job)
      joining[ring] = joining[ring] or {}
      table.insert(joining[ring], entries.job)
    end
    waiting[key] = nil
  end
  for ring, jobs in pairs(joining) do join(ring, jobs) end
end

local function leave_ring(ring, job_type, companies)
  redis.call('ZREM', ring, unpack(companies))
  if redis.call('EXISTS', ring) == 0 then redis.call('SREM', keys.types(), job_type) end
end

-- Whether any company waits for a worker of this type.
local function has_ring(job_type) return redis.call('EXISTS', keys.ring('0', job_type)) == 1 end

-- The job's company is served next: its turn came to nothing.
local function to_front(job)
  local ring = ring_of(job)
  local first = redis.call('ZRANGE', ring, '0', '0', 'WITHSCORES')
  if first[1] and first[1] ~= (job.co or '') then
    redis.call('ZADD', ring, first[2] - 1, job.co or '')
  end
end

-- Takes a job out of its lane.
local function remove(job)
  local key = key_of(job)
  if redis.call('ZREM', key, job.id) == 1 and redis.call('EXISTS', key) == 0 then
    leave_ring(ring_of(job), job.type, { job.co or '' })
  end
end

local lanes = {
  key_of = key_of,
  ring_of = ring_of,
  push = push,
  last_turn = last_turn,
  flush = flush_lanes,
  join_ring = join_ring,
  has_ring = has_ring,
  leave_ring = leave_ring,
  to_front = to_front,
  remove = remove,
}
