-- PURPOSE  Adds jobs, all of them or (on an error before the first write) none.
-- KEYS     tag
-- ARGV     jobs...
-- each     job_id, job_type, company, user, session, input, metadata, ttl_ms, max_retries, retry_delay_ms, delay_ms, run_at_ms, priority
--          '' = not given; delay_ms counts from now, run_at_ms is a time since 1970; input and metadata are msgpack
-- RETURNS  how many are new
-- MOVES    (none) -> PENDING: in a parked worker's inbox, a lane, or scheduled when due later
-- AGAIN    an id that exists is left as it is
-- COST     O(log n) a job
-- include: keys, clock, batch, new_job, index, expiry, handoff

local function add(first, seq)
  local job, due_at = new_job.create(first, seq)
  index.set(job, 'pending')
  if due_at > NOW then
    batch.zadd(keys.scheduled(), due_at, job.id)
  else
    handoff.offer(job)
  end
end

local new, seen = {}, {}
for first = 1, #ARGV, new_job.FIELDS do
  local id = ARGV[first]
  if not seen[id] and redis.call('EXISTS', keys.job(id)) == 0 then new[#new + 1] = first end
  seen[id] = true
end
if #new == 0 then return 0 end

-- The first write: at maxmemory the server refuses it, and nothing has been done.
local seq = redis.call('INCRBY', keys.seq(), #new) - #new

-- One look into the expiry index for those of one chunk.
local shortest, begins = nil, false
local function watch(first, number)
  local ttl_ms = tonumber(ARGV[first + 7])
  if not shortest or ttl_ms < shortest then shortest = ttl_ms end
  begins = begins or expiry.is_first(number)
  if expiry.is_first(number + 1) or number == seq + #new then
    expiry.watch(number, shortest, begins)
    shortest, begins = nil, false
  end
end

for i, first in ipairs(new) do
  add(first, tostring(seq + i))
  watch(first, seq + i)
end
handoff.flush()
return #new
