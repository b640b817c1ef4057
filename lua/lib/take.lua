-- include: keys, lanes
-- Fair turns: a claim serves the first companies of the ring and sends them to its end, so a
-- company's single job waits one turn, however many jobs the others have.

-- Only level 0 exists so far; the keys already have the place for more (strict, highest first).
local LEVELS = { '0' }

-- Companies that one round serves: as many as one command may name lanes. A worker that runs one job at a time
-- asks for many when they are quick (it holds 50 ms of work), and takes several from each of fewer companies.
local MOST, MOST_FOR_ONE_SLOT = 1000, 32

-- Sends the companies that were served to the end of the ring, in their order (no `turn`: they stay), and
-- those whose lane is empty now off it. Mostly none is, or all are, which one command tells.
local function send_on(ring, job_type, companies, served, turn)
  local waiting = redis.call('EXISTS', unpack(served))
  local turns, gone = {}, {}
  for i, company in ipairs(companies) do
    if waiting < #served and (waiting == 0 or redis.call('EXISTS', served[i]) == 0) then
      gone[#gone + 1] = company
    elseif turn then
      local n = #turns
      turns[n + 1], turns[n + 2] = string.format('%.0f', turn + i), company
    end
  end
  if turns[1] then redis.call('ZADD', ring, unpack(turns)) end
  if gone[1] then lanes.leave_ring(ring, job_type, gone) end
end

-- One from each lane in turn, so that a batch runs in the order in which its companies are due. `popped`: what
-- ZPOPMAX gave of each lane, {id, score, ...}.
local function interleave(popped, into)
  local longest = 0
  for _, found in ipairs(popped) do longest = math.max(longest, #found) end
  for at = 1, longest, 2 do
    for _, found in ipairs(popped) do into[#into + 1] = found[at] end
  end
end

-- The oldest jobs of a lane; nil when something else stands in its place. That is for the doctor: an error in
-- the middle of a claim would leave what other lanes gave nowhere.
local function pop(lane, share)
  local found = redis.pcall('ZPOPMAX', lane, share)
  if not found.err then return found end
  if not string.find(found.err, 'WRONGTYPE', 1, true) then redis.call('ZPOPMAX', lane, share) end -- raised again
  return nil
end

-- Whole rounds of the ring at a time: as if each job were taken alone, in fewer commands, while no more than
-- `most` companies wait (decision 25).
local function take_level(level, job_type, want, most, into)
  local ring = keys.ring(level, job_type)
  local all_begin_with = keys.lane(level, job_type, '') -- the company is the end of a lane's name
  local no_lane = keys.lane(level, '', '') -- a key that isn't there: no type is empty
  while #into < want do
    local room = want - #into
    local companies = redis.call('ZRANGE', ring, '0', string.format('%d', math.min(room, most) - 1))
    if #companies == 0 then return end
    local turn = (#companies > 1 or room == 1) and lanes.last_turn(ring) or nil
    local share, served, popped = string.format('%d', math.floor(room / #companies)), {}, {}
    for i, company in ipairs(companies) do
      served[i] = all_begin_with .. company
      popped[i] = pop(served[i], share)
      if not popped[i] then popped[i], served[i] = {}, no_lane end -- its company leaves the ring
    end
    send_on(ring, job_type, companies, served, turn)
    interleave(popped, into)
  end
end

-- Takes up to `want` waiting ids of a type, fairly between companies, for a worker with so many slots:
-- O(want * log n), whatever the number of jobs and of companies.
local function take_ids(job_type, want, slots)
  local found, most = {}, slots == 1 and MOST_FOR_ONE_SLOT or MOST
  for _, level in ipairs(LEVELS) do take_level(level, job_type, want, most, found) end
  return found
end

local take = { ids = take_ids }
