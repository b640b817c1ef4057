-- PURPOSE  Adds one job: what submit does, without the machinery for many. The commonest call of all.
-- KEYS     tag
-- ARGV     job...
-- each     job_id, job_type, company, user, input, ttl_ms, more
--          as submit's; exactly one
-- RETURNS  1, or 0 when there is a job of this id
-- MOVES    (none) -> PENDING: in a parked worker's inbox, a lane, or scheduled when due later
-- AGAIN    an id that exists is left as it is
-- COST     O(log n)
-- include: keys, clock, score, payload, chunks

local id, job_type, company, user, input, ttl_ms, more = unpack(ARGV)
local key, lane = keys.job(id), keys.lane('0', job_type, company)

-- One look at three keys, of which each is counted as often as it is named. Mostly there is neither a job of
-- this id nor a parked worker.
local found = redis.call('EXISTS', key, key, keys.parked(), keys.parked(), lane)
local is_either, is_lane_there = found > 1, found % 2 == 1
if is_either and redis.call('EXISTS', key) == 1 then return 0 end

-- The first write: at maxmemory the server refuses it, and nothing has been done.
local number = redis.call('INCRBY', keys.seq(), '1')
local seq = tostring(number)
local begins_chunk = number % chunks.SIZE == 1
if begins_chunk or #ttl_ms < 8 then -- or it lives for less than three hours
  -- include here: expiry
  expiry.watch(number, tonumber(ttl_ms), begins_chunk)
end

-- With room for what most have: a table that grows is copied each time.
local fields = { 'status', 'pending', 'type', job_type, 'seq', seq, 'at', STAMP, 'ttl', ttl_ms, nil, nil, nil, nil, nil, nil, nil, nil }
if company ~= '' then fields[11], fields[12] = 'co', company end
local away
if user ~= '' then
  -- include here: homes
  away = homes.is_away(user, company)
  local n = #fields
  fields[n + 1], fields[n + 2] = 'u', user
  if away then fields[n + 3], fields[n + 4] = 'away', '1' end
end
payload.add(fields, 'in', input)

local due_at, priority = NOW, nil
if more ~= '' then
  -- include here: options
  due_at, priority = options.put(fields, more)
  if priority then
    lane = keys.lane(priority, job_type, company)
    is_lane_there = redis.call('EXISTS', lane) == 1
  end
end
redis.call('HSET', key, unpack(fields))

local at = score.of_new(seq)
redis.call('ZADD', keys.index(), at, id)
if away then
  redis.call('ZADD', keys.index_away(user), at, id)
  if company ~= '' then redis.call('ZADD', keys.index_both(company, user), at, id) end
elseif user ~= '' then
  redis.call('ZADD', keys.index_user(user), at, id)
end

-- What isn't in a lane is listed for its company by an index (decision 21).
if due_at > NOW then
  redis.call('ZADD', keys.scheduled(), due_at, id)
  if company ~= '' then redis.call('ZADD', keys.index_company(company), at, id) end
  return 1
end

if is_either then -- so a worker is parked
  -- include here: parked
  local worker = parked.pop(job_type)
  if worker then
    redis.call('HSET', key, 'worker', worker, 'attempt', '1')
    redis.call('ZADD', keys.leases(), parked.handoff_deadline(), id)
    redis.call('RPUSH', keys.inbox(worker), id)
    if company ~= '' then redis.call('ZADD', keys.index_company(company), at, id) end
    return 1
  end
end

redis.call('ZADD', lane, at, id)
if not is_lane_there then
  -- include here: lanes
  lanes.join_ring({ type = job_type, co = company, priority = priority })
end
return 1
