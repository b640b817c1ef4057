-- PURPOSE  Adds jobs, all of them or (on an error before the first write) none.
-- KEYS     tag
-- ARGV     jobs...
-- each     job_id, job_type, company, user, session, input, metadata, ttl_ms, max_retries, retry_delay_ms, delay_ms, run_at_ms, priority
--          '' = not given; delay_ms counts from now, run_at_ms is a time since 1970; input and metadata are msgpack
-- RETURNS  how many are new
-- MOVES    (none) -> PENDING: in a parked worker's inbox, a lane, or scheduled when due later
-- AGAIN    an id that exists is left as it is
-- COST     O(log n) a job
-- include: keys, clock, batch, index, expiry, handoff

local FIELDS = 13

local function is_new(first) return redis.call('EXISTS', keys.job(ARGV[first])) == 0 end

local function due_time(delay_ms, run_at_ms)
  if delay_ms ~= '' then return NOW + tonumber(delay_ms) end
  if run_at_ms ~= '' then return tonumber(run_at_ms) end
  return NOW
end

local function write_record(first, seq, due_at)
  local _, job_type, company, user, session, input, metadata, ttl_ms, max_retries, retry_delay_ms =
    unpack(ARGV, first, first + 9)
  local fields = {
    'status', 'pending', 'type', job_type, 'seq', seq, 'created_at', NOW, 'updated_at', NOW,
    'ttl_ms', ttl_ms, 'expires_at', math.max(NOW, due_at) + tonumber(ttl_ms),
  }
  local function given(name, value)
    if value ~= '' then
      fields[#fields + 1] = name
      fields[#fields + 1] = value
    end
  end
  given('company', company)
  given('user', user)
  given('session', session)
  given('input', input)
  given('metadata', metadata)
  given('max_retries', max_retries)
  given('retry_delay_ms', retry_delay_ms)
  given('due_at', due_at > NOW and due_at or '')
  if ARGV[first + 12] ~= '0' then given('priority', ARGV[first + 12]) end
  redis.call('HSET', keys.job(ARGV[first]), unpack(fields))
end

local function add(first, seq)
  local id, job_type, company, user = unpack(ARGV, first, first + 3)
  local due_at = due_time(ARGV[first + 10], ARGV[first + 11])
  write_record(first, seq, due_at)
  local job = {
    id = id, type = job_type, company = company, user = user, seq = seq,
    priority = ARGV[first + 12],
  }
  index.set(job, 'pending')
  if due_at > NOW then
    batch.zadd(keys.scheduled, due_at, id)
  else
    handoff.offer(job)
  end
end

-- One entry a chunk of the expiry index, with the smallest ttl in it.
local shortest = {}
local function watch(first, seq)
  local chunk, ttl_ms = expiry.chunk_of(seq), tonumber(ARGV[first + 7])
  if not shortest[chunk] or ttl_ms < shortest[chunk] then shortest[chunk] = ttl_ms end
end

local new = {}
for first = 1, #ARGV, FIELDS do
  if is_new(first) then new[#new + 1] = first end
end
if #new == 0 then return 0 end

local seq, added = redis.call('INCRBY', keys.seq, #new) - #new, 0
for _, first in ipairs(new) do
  if is_new(first) then -- an id may stand twice in one call
    seq, added = seq + 1, added + 1
    add(first, seq)
    watch(first, seq)
  end
end
for chunk, ttl_ms in pairs(shortest) do expiry.no_later(chunk, NOW + ttl_ms) end
handoff.flush()
return added
