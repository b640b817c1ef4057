-- include: keys
-- The job's record: one hash. docs/internals.md lists its fields. In Lua a job is a table with the
-- fields as they are stored (text), plus id and key.

-- What any transition needs to know; the payloads stay where they are.
local FIELDS = {
  'status', 'seq', 'attempt', 'worker', 'company', 'user', 'away', 'last_op', 'retries',
  'max_retries', 'type', 'priority', 'ttl', 'at', 'updated_at', 'due_at', 'losses',
  'returned',
}
-- The first of them are enough to end an attempt.
local HELD_FIELDS = 8

-- A key that somebody has put something else in counts as no record: an error in the middle of a
-- script would leave the jobs that it has in hand nowhere.
local function read_fields(id, count)
  local key = keys.job(id)
  local found = redis.pcall('HMGET', key, unpack(FIELDS, 1, count))
  if not found[1] then return nil end
  local job = { id = id, key = key }
  for i = 1, count do job[FIELDS[i]] = found[i] or nil end
  return job
end

-- nil when there is no record.
local function read(id) return read_fields(id, #FIELDS) end

-- As read, when it is this company's ('' = anyone's): another's job is as none at all.
local function read_of(company, id)
  local job = read(id)
  if job and (company == '' or job.company == company) then return job end
  return nil
end

-- As read, of a job that ought to be in a worker's hands: no more than an attempt's end needs.
local function read_held(id) return read_fields(id, HELD_FIELDS) end

-- The job with its payloads, and the whole record as HGETALL gave it.
local function read_whole(id)
  local key = keys.job(id)
  local flat = redis.pcall('HGETALL', key)
  if #flat == 0 then return nil end
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
