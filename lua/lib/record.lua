-- include: keys
-- The job's record: one hash. docs/internals.md lists its fields. In Lua a job is a table with the
-- fields as they are stored (text), plus id.

-- What any transition needs to know; the payloads stay where they are.
local FIELDS = {
  'status', 'seq', 'attempt', 'worker', 'company', 'user', 'away', 'last_op', 'retries',
  'max_retries', 'type', 'priority', 'ttl_ms', 'created_at', 'updated_at', 'due_at', 'losses',
  'returned',
}
-- The first of them are enough to end an attempt.
local HELD_FIELDS = 10

-- A key that somebody has put something else in counts as no record: an error in the middle of a
-- script would leave the jobs that it has in hand nowhere.
local function read_fields(id, count)
  local found = redis.pcall('HMGET', keys.job(id), unpack(FIELDS, 1, count))
  if not found[1] then return nil end
  local job = { id = id }
  for i = 1, count do job[FIELDS[i]] = found[i] or nil end
  return job
end

-- nil when there is no record.
local function read(id) return read_fields(id, #FIELDS) end

-- As read, of a job that ought to be in a worker's hands: no more than an attempt's end needs.
local function read_held(id) return read_fields(id, HELD_FIELDS) end

-- The job with its payloads, and the whole record as HGETALL gave it.
local function read_whole(id)
  local flat = redis.pcall('HGETALL', keys.job(id))
  if #flat == 0 then return nil end
  local job = { id = id }
  for i = 1, #flat, 2 do job[flat[i]] = flat[i + 1] end
  return job, flat
end

-- Names one attempt of one submission: what an attempt must show to change its job (fencing).
local function token(job) return job.seq .. '.' .. (job.attempt or '0') end

-- Whether the record has what starting an attempt needs. One that hasn't is damaged: the doctor says so.
local function is_sound(job)
  return tonumber(job.seq) and tonumber(job.created_at) and tonumber(job.ttl_ms) and job.type
end

local function is_live(job) return job.status == 'pending' or job.status == 'processing' end

-- When an unfinished job that waits is cancelled, and a finished one purged: ttl after its last
-- change, or after it became due.
local function expires_at(job)
  local since = tonumber(job.updated_at or job.created_at)
  if job.status == 'pending' and job.due_at then since = math.max(since, tonumber(job.due_at)) end
  return since + tonumber(job.ttl_ms)
end

-- Payloads are cut into pieces of at most 64 bytes while they are short: a hash with longer values
-- takes several times the memory. `input`, `input1`, `input2`... joined are the payload.
local PIECE, PIECED = 64, 512

-- Appends the payload's field names and values to `fields`; '' = none.
local function add_payload(fields, name, value)
  if value == '' then return end
  local n, size = #fields, #value
  if size <= PIECE or size > PIECED then
    fields[n + 1], fields[n + 2] = name, value
    return
  end
  for first = 1, size, PIECE do
    local number = (first - 1) / PIECE
    fields[n + 1] = number == 0 and name or name .. number
    fields[n + 2] = string.sub(value, first, first + PIECE - 1)
    n = n + 2
  end
end

local record = {
  read = read,
  read_held = read_held,
  read_whole = read_whole,
  token = token,
  is_sound = is_sound,
  is_live = is_live,
  expires_at = expires_at,
  add_payload = add_payload,
}
