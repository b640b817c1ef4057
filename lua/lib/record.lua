-- include: keys
-- The job's record: one hash. docs/internals.md lists its fields. In Lua a job is a table with the
-- fields as they are stored (text), plus id and key.

-- What any transition needs to know; the payloads stay where they are.
local FIELDS = {
  'status', 'seq', 'attempt', 'worker', 'company', 'user', 'away', 'last_op', 'retries',
  'max_retries', 'type', 'priority', 'ttl', 'at', 'updated_at', 'due_at', 'losses',
  'returned',
}

-- nil when there is no record. A key that somebody has put something else in counts as none: an error
-- in the middle of a script would leave the jobs that it has in hand nowhere. Any other error (the
-- ACL's, say) is raised: the job is there.
local function read(id)
  local key = keys.job(id)
  local found = redis.pcall('HMGET', key, unpack(FIELDS))
  if not found[1] then
    if found.err and not string.find(found.err, 'WRONGTYPE', 1, true) then redis.call('HMGET', key, 'status') end
    return nil
  end
  local job = { id = id, key = key }
  for i, field in ipairs(FIELDS) do job[field] = found[i] or nil end
  return job
end

-- As read, when it is this company's ('' = anyone's): another's job is as none at all.
local function read_of(company, id)
  local job = read(id)
  if job and (company == '' or job.company == company) then return job end
  return nil
end

-- No more of a record than a good end of an attempt needs: fields that are missing cost most. Of a job
-- that stands in this worker's processing list; nil when it isn't PROCESSING under this token.
local function read_held(id, worker, token)
  local key = keys.job(id)
  local found = redis.pcall('HMGET', key, 'status', 'seq', 'attempt', 'company', 'user', 'away')
  local status, seq, attempt = found[1], found[2], found[3]
  if status ~= 'processing' or not (seq and attempt) or seq .. '.' .. attempt ~= token then return nil end
  return {
    id = id, key = key, status = status, seq = seq, attempt = attempt, worker = worker,
    company = found[4] or nil, user = found[5] or nil, away = found[6] or nil,
  }
end

-- The job with its payloads, and the whole record as HGETALL gave it.
local function read_whole(id)
  local key = keys.job(id)
  local flat = redis.pcall('HGETALL', key)
  if #flat == 0 then
    if flat.err and not string.find(flat.err, 'WRONGTYPE', 1, true) then redis.call('HGETALL', key) end
    return nil
  end
  local job = { id = id, key = key }
  for i = 1, #flat, 2 do job[flat[i]] = flat[i + 1] end
  return job, flat
end

-- Names one attempt of one submission: what an attempt must show to change its job (fencing).
local function token(job) return job.seq .. '.' .. (job.attempt or '0') end

-- Whether the record has what starting an attempt needs. One that hasn't is damaged: the doctor says so.
local function is_sound(job)
  return tonumber(job.seq) and tonumber(job.at) and tonumber(job.ttl) and job.type
end

local function is_live(job) return job.status == 'pending' or job.status == 'processing' end

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
  read_held = read_held,
  read_whole = read_whole,
  token = token,
  is_sound = is_sound,
  is_live = is_live,
  expires_at = expires_at,
}
