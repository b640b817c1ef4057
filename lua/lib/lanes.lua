-- include: keys
-- Waiting jobs: a lane per (priority, type, company), ordered by submission number, and a ring per
-- (priority, type) of the companies whose lane isn't empty, ordered by turn. A claim serves the
-- first companies of the ring and sends them to its end: a company's single job waits one turn,
-- however many jobs the others have.

local lanes = { waiting = {} }

local CHUNK = 2000

-- Only level 0 exists so far; the key already has the place for more (strict, highest first).
local LEVELS = { '0' }

local function last_turn(ring)
  return tonumber(redis.call('ZRANGE', ring, -1, -1, 'WITHSCORES')[2] or 0)
end

-- Queues the job for its lane; lanes.flush() puts it there. Its submission number is its place, so
-- a job that comes back stands where it stood.
function lanes.push(job)
  local key = keys.lane(job.priority, job.type, job.company)
  local lane = lanes.waiting[key]
  if not lane then
    lane = { job = job, entries = {} }
    lanes.waiting[key] = lane
  end
  local entries = lane.entries
  entries[#entries + 1] = job.seq
  entries[#entries + 1] = job.id
end

local function join_ring(job)
  local ring = keys.ring(job.priority, job.type)
  local turn = last_turn(ring)
  redis.call('ZADD', ring, 'NX', turn + 1, job.company)
  if turn == 0 then redis.call('SADD', keys.types, job.type) end
end

function lanes.flush()
  for key, lane in pairs(lanes.waiting) do
    local added = 0
    for first = 1, #lane.entries, CHUNK do
      local last = math.min(first + CHUNK - 1, #lane.entries)
      added = added + redis.call('ZADD', key, unpack(lane.entries, first, last))
    end
    if redis.call('ZCARD', key) == added then join_ring(lane.job) end
  end
  lanes.waiting = {}
end

local function leave_ring(ring, job_type, company)
  redis.call('ZREM', ring, company)
  if redis.call('EXISTS', ring) == 0 then redis.call('SREM', keys.types, job_type) end
end

-- Takes a job out of its lane; false when it isn't there.
function lanes.remove(job)
  local key = keys.lane(job.priority, job.type, job.company)
  if redis.call('ZREM', key, job.id) == 0 then return false end
  if redis.call('EXISTS', key) == 0 then
    leave_ring(keys.ring(job.priority, job.type), job.type, job.company)
  end
  return true
end

-- Pops up to `count` ids of one lane and sends its company to the end of the ring, or off it.
local function serve(level, job_type, company, count, turn)
  local key = keys.lane(level, job_type, company)
  local popped = redis.call('ZPOPMIN', key, count)
  local ids = {}
  for i = 1, #popped, 2 do ids[#ids + 1] = popped[i] end
  local ring = keys.ring(level, job_type)
  if #ids < count or redis.call('EXISTS', key) == 0 then
    leave_ring(ring, job_type, company)
  elseif turn then
    redis.call('ZADD', ring, turn, company)
  end
  return ids
end

-- One from each lane in turn, so that a batch runs in the order in which its companies are due.
local function interleave(served, into)
  local depth = 0
  for _, ids in ipairs(served) do depth = math.max(depth, #ids) end
  for i = 1, depth do
    for _, ids in ipairs(served) do
      if ids[i] then into[#into + 1] = ids[i] end
    end
  end
end

local function take_level(level, job_type, want, into)
  local ring = keys.ring(level, job_type)
  while #into < want do
    local room = want - #into
    local companies = redis.call('ZRANGE', ring, 0, room - 1)
    if #companies == 0 then return end
    local turn = #companies > 1 and last_turn(ring) or nil
    local share, extra, served = math.floor(room / #companies), room % #companies, {}
    for i, company in ipairs(companies) do
      local count = share + (i <= extra and 1 or 0)
      served[i] = serve(level, job_type, company, count, turn and turn + i)
    end
    interleave(served, into)
  end
end

-- Takes up to `want` waiting ids of a type, fairly between companies: O(want * log n), whatever the
-- number of jobs and of companies.
function lanes.take(job_type, want)
  local ids = {}
  for _, level in ipairs(LEVELS) do take_level(level, job_type, want, ids) end
  return ids
end
