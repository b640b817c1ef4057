-- include: keys, lanes
-- Fair turns: a claim serves the first companies of the ring and sends them to its end, so a
-- company's single job waits one turn, however many jobs the others have.

-- Only level 0 exists so far; the keys already have the place for more (strict, highest first).
local LEVELS = { '0' }

-- Pops up to `count` ids of one lane and sends its company to the end of the ring, or off it.
local function serve(level, job_type, company, count, turn)
  local key = keys.lane(level, job_type, company)
  local popped = redis.call('ZPOPMIN', key, count)
  local ids = {}
  for i = 1, #popped, 2 do ids[#ids + 1] = popped[i] end
  local ring = keys.ring(level, job_type)
  if #ids < count or redis.call('EXISTS', key) == 0 then
    lanes.leave_ring(ring, job_type, company)
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

-- Whole rounds of the ring at a time: as if each job were taken alone, in fewer commands.
local function take_level(level, job_type, want, into)
  local ring = keys.ring(level, job_type)
  while #into < want do
    local room = want - #into
    local companies = redis.call('ZRANGE', ring, 0, room - 1)
    if #companies == 0 then return end
    local turn = (#companies > 1 or room == 1) and lanes.last_turn(ring) or nil
    local share, served = math.floor(room / #companies), {}
    for i, company in ipairs(companies) do
      served[i] = serve(level, job_type, company, share, turn and turn + i)
    end
    interleave(served, into)
  end
end

-- Takes up to `want` waiting ids of a type, fairly between companies: O(want * log n), whatever the
-- number of jobs and of companies.
local function take_ids(job_type, want)
  local found = {}
  for _, level in ipairs(LEVELS) do take_level(level, job_type, want, found) end
  return found
end

local take = { ids = take_ids }
