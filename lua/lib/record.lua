-- include: keys
-- The job's record: one hash. docs/internals.md lists its fields. In Lua a job is a table with the
-- fields as they are stored (text), plus id and key.

-- What any transition needs to know; the payloads stay where they are.
local FIELDS = {
  'status', 'seq', 'attempt', 'worker', 'co', 'u', 'away', 'last_op', 'retries',
  'max_retries', 'type', 'priority', 'ttl', 'at', 'updated_at', 'due_at', 'losses',
  'returned',
}

-- Numbers that some records have.
local OPTIONAL = { 'attempt', 'retries', 'max_retries', 'updated_at', 'due_at', 'losses', 'returned' }

-- A whole number that is no later than the year 9999 when it is a time.
local function is_count(value)
  return value and string.find(value, '^%d+$')
    and (#value < 15 or #value == 15 and value <= '253402300799999')
end

local function is_seq(value) return value and #value < 14 and string.find(value, '^[1-9]%d*$') end

local function is_live(job) return job.status == 'pending' or job.status == 'processing' end

local function is_finished(job)
  local status = job.status
  return status == 'completed' or status == 'failed' or status == 'cancelled'
end

-- The first field that no transition could work with, nil when the record is sound.
local function bad_field(job)
  if not (is_live(job) or is_finished(job)) then return 'status' end
  if not is_seq(job.seq) then return 'seq' end
  if not job.type then return 'type' end
  if job.priority and job.priority ~= '0' then return 'priority' end -- no other level is served
  if not is_count(job.at) then return 'at' end
  if not is_count(job.ttl) then return 'ttl' end
  for i = 1, #OPTIONAL do
    local value = job[OPTIONAL[i]]
    if value and not is_count(value) then return OPTIONAL[i] end
  end
  if job.status == 'processing' and not (job.worker and job.attempt) then
    return job.worker and 'attempt' or 'worker'
  end
end

-- A key that somebody has put something else in counts as no record: an error in the middle of a
-- script would leave the jobs that it has in hand nowhere. Any other error (the ACL's, say) is raised:
-- the job is there.
local function raise_unless_wrong_type(key, err)
  if err and not string.find(err, 'WRONGTYPE', 1, true) then redis.call('HGETALL', key) end
end

local function read_fields(id)
  local key = keys.job(id)
  local found = redis.pcall('HMGET', key, unpack(FIELDS))
  if not found[1] then
    raise_unless_wrong_type(key, found.err)
    return nil
  end
  local job = { id = id, key = key }
  for i, field in ipairs(FIELDS) do job[field] = found[i] or nil end
  return job
end

-- As it is, sound or not; nil when there is none, or no hash.
local function read_any(id)
  local job, found = { id = id, key = keys.job(id) }, redis.pcall('HMGET', keys.job(id), unpack(FIELDS))
  raise_unless_wrong_type(job.key, found.err)
  local any = false
  for i = 1, #FIELDS do
    job[FIELDS[i]] = found[i] or nil
    any = any or found[i]
  end
  return any and job or nil
end

-- nil when there is no record, or none that a transition can work with: then the caller calls
-- quarantine.look where the job would be left nowhere.
local function read(id)
  local job = read_fields(id)
  if job and not bad_field(job) then return job end
end

-- As read, when it is this company's ('' = anyone's): another's job is as none at all.
local function read_of(company, id)
  local job = read(id)
  if job and (company == '' or job.co == company) then return job end
  return nil
end

-- No more of a record than a good end of an attempt needs: fields that are missing cost most. Of a job
-- that stands in this worker's processing list; nil when it isn't PROCESSING under this token.
local function read_held(id, worker, token)
  local key = keys.job(id)
  local found = redis.pcall('HMGET', key, 'status', 'seq', 'attempt', 'co', 'u', 'away')
  local status, seq, attempt = found[1], found[2], found[3]
  if status ~= 'processing' or not (seq and attempt) or seq .. '.' .. attempt ~= token then return nil end
  return {
    id = id, key = key, status = status, seq = seq, attempt = attempt, worker = worker,
    co = found[4] or nil, u = found[5] or nil, away = found[6] or nil,
  }
end

-- As read, with the payloads; and the whole record as HGETALL gave it.
local function read_whole(id)
  local key = keys.job(id)
  local flat = redis.pcall('HGETALL', key)
  if #flat == 0 then
    raise_unless_wrong_type(key, flat.err)
    return nil
  end
  -- Room for what most records have: a table that grows is copied each time.
  local job = { status = nil, type = nil, seq = nil, at = nil, ttl = nil, co = nil, u = nil, id = nil, key = nil }
  for i = 1, #flat, 2 do job[flat[i]] = flat[i + 1] end
  job.id, job.key = id, key
  if not bad_field(job) then return job, flat end
end

-- Names one attempt of one submission: what an attempt must show to change its job (fencing).
local function token_of(job) return job.seq .. '.' .. (job.attempt or '0') end

-- The number of the attempt after the one that the record names, as text. (Mostly it names none.)
local function next_attempt(job) return job.attempt and tostring(job.attempt + 1) or '1' end

-- When an unfinished job that waits is cancelled, and a finished one purged: ttl after its last
-- change, or after it became due.
local function expires_at(job)
  local since = tonumber(job.updated_at or job.at)
  if job.status == 'pending' and job.due_at then since = math.max(since, tonumber(job.due_at)) end
  return since + tonumber(job.ttl)
end

local record = {
  read = read,
  read_of = read_of,
  read_any = read_any,
  read_held = read_held,
  read_whole = read_whole,
  token = token_of,
  next_attempt = next_attempt,
  bad_field = bad_field,
  is_seq = is_seq,
  is_count = is_count,
  is_live = is_live,
  is_finished = is_finished,
  expires_at = expires_at,
}
