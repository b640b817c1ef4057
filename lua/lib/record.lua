-- include: keys
-- The job's record: one hash. docs/internals.md lists its fields.

local record = {}

local FIELDS = {
  'status', 'type', 'company', 'user', 'seq', 'attempt', 'worker', 'ttl_ms', 'expires_at',
  'retries', 'losses', 'max_retries', 'last_op', 'priority',
}

local function from_values(id, v)
  return {
    id = id,
    status = v.status,
    type = v.type,
    company = v.company or '',
    user = v.user or '',
    seq = tonumber(v.seq),
    attempt = tonumber(v.attempt or 0),
    worker = v.worker or '',
    ttl_ms = tonumber(v.ttl_ms),
    expires_at = tonumber(v.expires_at),
    retries = tonumber(v.retries or 0),
    losses = tonumber(v.losses or 0),
    max_retries = tonumber(v.max_retries or nil),
    last_op = v.last_op or '',
    priority = v.priority or '0',
  }
end

-- What a transition needs to know of a job; nil when there is no record.
function record.read(id)
  local found = redis.call('HMGET', keys.job(id), unpack(FIELDS))
  if not found[1] then return nil end
  local values = {}
  for i, name in ipairs(FIELDS) do values[name] = found[i] or nil end
  return from_values(id, values)
end

-- The same from the whole record, which is returned too, as HGETALL gave it.
function record.read_whole(id)
  local flat = redis.call('HGETALL', keys.job(id))
  if #flat == 0 then return nil end
  local values = {}
  for i = 1, #flat, 2 do values[flat[i]] = flat[i + 1] end
  return from_values(id, values), flat
end

-- Names one attempt of one submission: what an attempt must show to change its job (fencing).
function record.token(job) return job.seq .. '.' .. job.attempt end

function record.is_live(job) return job.status == 'pending' or job.status == 'processing' end
