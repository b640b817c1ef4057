-- PURPOSE  Adds one job: what submit does, without the machinery for many. The commonest call of all.
-- KEYS     tag
-- ARGV     job...
-- each     job_id, job_type, company, user, input, ttl_ms, more
--          as submit's; exactly one
-- RETURNS  1, or 0 when there is a job of this id
-- MOVES    (none) -> PENDING: in a parked worker's inbox, a lane, or scheduled when due later
-- AGAIN    an id that exists is left as it is
-- COST     O(log n)
-- include: keys, clock, score, payload, expiry

local id, job_type, company, user, input, ttl_ms, more = unpack(ARGV)
local key, lane = keys.job(id), keys.lane('0', job_type, company)

-- One look at three keys, of which each is counted as often as it is named. Mostly there is neither a job of
-- this id nor a parked worker.
local found = redis.call('EXISTS', key, key, keys.parked(), keys.parked(), lane)
local is_either, is_queue_there = found > 1, found % 2 == 1
if is_either and redis.call('EXISTS', key) == 1 then return 0 end

-- The first write: at maxmemory the server refuses it, and nothing has been done.
local number = redis.call('INCRBY', keys.seq(), '1')
local seq = string.format('%d', number)
expiry.watch(number, tonumber(ttl_ms), expiry.is_first(number))

if more ~= '' then -- perhaps due later, or of another lane: as submit does it
  -- include here: new_job, handoff
  local job, due_at = new_job.create(1, seq)
  handoff.wait(job, due_at, true)
  handoff.flush()
  return 1
end

local at = score.of_new(seq)
-- With room for a payload's pieces: a table that grows is copied each time.
local fields = { 'status', 'pending', 'type', job_type, 'seq', seq, 'at', STAMP, 'ttl', ttl_ms, nil, nil, nil, nil, nil, nil, nil, nil }
if company ~= '' then fields[11], fields[12] = 'co', company end
if user ~= '' then
  -- include here: homes, index
  local job = { id = id, co = company ~= '' and company or nil, u = user, away = nil }
  local n = #fields
  fields[n + 1], fields[n + 2] = 'u', user
  if homes.is_away(user, company) then
    job.away, fields[n + 3], fields[n + 4] = '1', 'away', '1'
  end
  for _, index_key in ipairs(index.keys_of(job, true)) do redis.call('ZADD', index_key, at, id) end
else
  redis.call('ZADD', keys.index(), at, id)
end
payload.add(fields, 'in', input)
redis.call('HSET', key, unpack(fields))

if is_either then -- so a worker is parked
  -- include here: parked
  local worker = parked.pop(job_type)
  if worker then
    redis.call('HSET', key, 'worker', worker, 'attempt', '1')
    redis.call('ZADD', keys.leases(), parked.handoff_deadline(), id)
    redis.call('RPUSH', keys.inbox(worker), id)
    -- No lane lists it for its company (decision 21).
    if company ~= '' then redis.call('ZADD', keys.index_company(company), at, id) end
    return 1
  end
end

redis.call('ZADD', lane, seq, id)
if not is_queue_there then
  -- include here: lanes
  lanes.join_ring({ type = job_type, co = company })
end
return 1
