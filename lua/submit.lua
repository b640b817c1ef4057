-- PURPOSE  Adds jobs, all of them or (on an error before the first write) none.
-- KEYS     tag
-- ARGV     jobs...
-- each     job_id, job_type, company, user, input, ttl_ms, more
--          '' = not given; input is msgpack; more = msgpack of {session, metadata, max_retries, retry_delay_ms, delay_ms, run_at_ms, priority, timeout_ms}, those that are given
--          delay_ms counts from now, run_at_ms is a time since 1970; metadata is msgpack within
-- RETURNS  how many are new
-- MOVES    (none) -> PENDING: in a parked worker's inbox, a lane, or scheduled when due later
-- AGAIN    an id that exists is left as it is
-- COST     O(log n) a job
-- include: keys, new_job, expiry, handoff

local function add(first, seq)
  local job, due_at = new_job.create(first, seq)
  handoff.wait(job, due_at, true)
end

local EXISTS_CHUNK = 1000 -- keys in one command

-- Whether jobs of these ids exist is asked for all together first: mostly none does.
local function any_exists(names)
  for first = 1, #names, EXISTS_CHUNK do
    local last = math.min(first + EXISTS_CHUNK - 1, #names)
    if redis.call('EXISTS', unpack(names, first, last)) > 0 then return true end
  end
  return false
end

-- Where in ARGV the jobs begin whose ids are new.
local function new_ones()
  local new, names, seen, n = {}, {}, {}, 0
  for first = 1, #ARGV, new_job.FIELDS do
    local id = ARGV[first]
    if not seen[id] then
      seen[id], n = true, n + 1
      new[n], names[n] = first, keys.job(id)
    end
  end
  if not any_exists(names) then return new end
  local missing = {}
  for i, name in ipairs(names) do
    if redis.call('EXISTS', name) == 0 then missing[#missing + 1] = new[i] end
  end
  return missing
end

if #ARGV % new_job.FIELDS ~= 0 then return redis.error_reply('ERR jobs have ' .. new_job.FIELDS .. ' fields each') end
local new = new_ones()
if #new == 0 then return 0 end

-- The first write: at maxmemory the server refuses it, and nothing has been done.
local last = redis.call('INCRBY', keys.seq(), #new)
local before = last - #new

-- One look into the expiry index for those of one chunk.
local begins, chunk_ends = expiry.is_first(before + 1), expiry.last_with(before + 1)
local shortest, seen_ttl
for i, first in ipairs(new) do
  local number = before + i
  add(first, tostring(number))
  local ttl = ARGV[first + 5]
  if ttl ~= seen_ttl then
    seen_ttl, shortest = ttl, math.min(shortest or math.huge, tonumber(ttl))
  end
  if number == chunk_ends or number == last then
    expiry.watch(number, shortest, begins)
    begins, chunk_ends, shortest, seen_ttl = true, expiry.last_with(number + 1), nil, nil
  end
end
handoff.flush()
return #new
