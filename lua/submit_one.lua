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
local key = keys.job(id)

-- Mostly there is neither a job of this id nor a parked worker, which one look tells.
local is_either = redis.call('EXISTS', key, keys.parked()) > 0
if is_either and redis.call('EXISTS', key) == 1 then return 0 end

-- The first write: at maxmemory the server refuses it, and nothing has been done.
local number = redis.call('INCRBY', keys.seq(), '1')
local seq = tostring(number)

-- A job with no more than a type and an input is written here, any other as submit does it.
local job, due_at
if company == '' and user == '' and more == '' then
  -- With room for a payload's pieces: a table that grows is copied each time.
  local fields = { 'status', 'pending', 'type', job_type, 'seq', seq, 'at', STAMP, 'ttl', ttl_ms, nil, nil, nil, nil }
  payload.add(fields, 'in', input)
  redis.call('HSET', key, unpack(fields))
  redis.call('ZADD', keys.index(), score.of_new(seq), id)
  job, due_at = { id = id, type = job_type, seq = seq }, 0
else
  -- include here: new_job, index
  job, due_at = new_job.create(1, seq)
  for _, index_key in ipairs(index.keys_of(job, true)) do
    redis.call('ZADD', index_key, score.of_new(seq), id)
  end
end

-- A job in its lane is listed there (decision 21).
local function list_for_company()
  if company ~= '' then redis.call('ZADD', keys.index_company(company), score.of_new(seq), id) end
end

expiry.watch(number, tonumber(ttl_ms), expiry.is_first(number))

if due_at > NOW then
  redis.call('ZADD', keys.scheduled(), due_at, id)
  list_for_company()
  return 1
end

if is_either then -- so a worker is parked
  -- include here: parked
  local worker = parked.pop(job_type)
  if worker then
    redis.call('HSET', key, 'worker', worker, 'attempt', '1')
    redis.call('ZADD', keys.leases(), parked.handoff_deadline(), id)
    redis.call('RPUSH', keys.inbox(worker), id)
    list_for_company()
    return 1
  end
end

local lane = keys.lane(job.priority or '0', job_type, company)
redis.call('ZADD', lane, seq, id)
if redis.call('ZCARD', lane) == 1 then
  -- include here: lanes
  lanes.join_ring(job)
end
return 1
