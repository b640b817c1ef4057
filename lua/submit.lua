-- PURPOSE  Adds jobs, all of them or (on an error before the first write) none.
-- KEYS     tag
-- ARGV     jobs...
-- each     job_id, job_type, company, user, session, input, metadata, ttl_ms, max_retries, retry_delay_ms, delay_ms, run_at_ms, priority
--          '' = not given; delay_ms counts from now, run_at_ms is a time since 1970; input and metadata are msgpack
-- RETURNS  how many are new
-- MOVES    (none) -> PENDING: in a parked worker's inbox, a lane, or scheduled when due later
-- AGAIN    an id that exists is left as it is
-- COST     O(log n) a job
-- include: keys, clock, batch, record, index, homes, expiry, handoff

local FIELDS = 13

local function due_time(delay_ms, run_at_ms)
  if delay_ms ~= '' then return NOW + tonumber(delay_ms) end
  if run_at_ms ~= '' then return tonumber(run_at_ms) end
  return NOW
end

local function given(fields, name, value)
  if value == '' then return end
  local n = #fields
  fields[n + 1], fields[n + 2] = name, value
end

local function add(first, seq)
  local id, job_type, company, user, session, input, metadata, ttl_ms, max_retries, retry_delay_ms,
    delay_ms, run_at_ms, priority = unpack(ARGV, first, first + 12)
  local due_at = due_time(delay_ms, run_at_ms)
  local job = {
    id = id, type = job_type, seq = seq, priority = priority,
    company = company ~= '' and company or nil, user = user ~= '' and user or nil,
  }
  if job.user and homes.is_away(user, job.company) then job.away = '1' end

  local fields = {
    'status', 'pending', 'type', job_type, 'seq', seq, 'created_at', STAMP, 'ttl_ms', ttl_ms,
  }
  given(fields, 'company', company)
  given(fields, 'user', user)
  given(fields, 'away', job.away or '')
  given(fields, 'session', session)
  given(fields, 'max_retries', max_retries)
  given(fields, 'retry_delay_ms', retry_delay_ms)
  given(fields, 'due_at', due_at > NOW and due_at or '')
  given(fields, 'priority', priority ~= '0' and priority or '')
  record.add_payload(fields, 'input', input)
  record.add_payload(fields, 'metadata', metadata)
  redis.call('HSET', keys.job(id), unpack(fields))

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

local new, seen = {}, {}
for first = 1, #ARGV, FIELDS do
  local id = ARGV[first]
  if not seen[id] and redis.call('EXISTS', keys.job(id)) == 0 then new[#new + 1] = first end
  seen[id] = true
end
if #new == 0 then return 0 end

-- The first write: at maxmemory the server refuses it, and nothing has been done.
local seq = redis.call('INCRBY', keys.seq, #new) - #new
for i, first in ipairs(new) do
  add(first, seq + i)
  watch(first, seq + i)
end
for chunk, ttl_ms in pairs(shortest) do expiry.no_later(chunk, NOW + ttl_ms) end
handoff.flush()
return #new
