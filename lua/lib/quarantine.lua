-- include: keys, clock, record, index, lanes, expiry, notice
-- Records that no transition can work with: a key of another type, a field that is missing or makes no
-- sense. Such a job becomes FAILED with the reason, and takes no other with it. It writes at once,
-- so that it can be defined in the seldom taken branch that needs it.

local KEPT_MS = 604800000 -- what is set aside stays for a week
local TTL_MS = 86400000 -- of a record that has lost its own

local NUMBERS = { 'at', 'ttl', 'attempt', 'retries', 'max_retries', 'updated_at', 'due_at', 'losses', 'returned' }

-- Moves a key out of the way, to where an operator can look at it. Returns the new name's end.
local function set_aside(key, name)
  local aside = 'quarantine:' .. STAMP .. ':' .. name
  redis.call('RENAME', key, keys.quarantine(STAMP, name))
  redis.call('PEXPIRE', keys.quarantine(STAMP, name), KEPT_MS)
  return aside
end

-- Moves fields of a record out of the way likewise.
local function keep(id, names, values)
  local aside = keys.quarantine(STAMP, 'job:' .. id)
  for i, name in ipairs(names) do redis.call('HSET', aside, name, values[i]) end
  redis.call('PEXPIRE', aside, KEPT_MS)
  redis.call('HDEL', keys.job(id), unpack(names))
  return 'quarantine:' .. STAMP .. ':job:' .. id
end

-- The record at that key, whatever it is, as fields; and what is wrong with it.
local function examine(id)
  local key = keys.job(id)
  local kind = redis.call('TYPE', key).ok
  if kind == 'none' then return nil end
  if kind ~= 'hash' then
    return { id = id, key = key }, 'its record was a ' .. kind .. ', now at ' .. set_aside(key, 'job:' .. id)
  end
  local job = record.read_any(id) or { id = id, key = key }
  local bad = record.bad_field(job)
  if not bad then return nil end
  return job, bad .. (job[bad] and ' is ' .. string.sub(job[bad], 1, 40) or ' is missing')
end

-- Out of each place that the record still names.
local function leave_all(job)
  redis.call('ZREM', keys.leases(), job.id)
  redis.call('ZREM', keys.scheduled(), job.id)
  if job.worker then
    redis.call('LREM', keys.processing(job.worker), 0, job.id)
    redis.call('LREM', keys.inbox(job.worker), 0, job.id)
  end
  if job.type then lanes.remove(job) end
  for _, status in ipairs({ 'completed', 'failed', 'cancelled' }) do
    redis.call('ZREM', keys.finished(status), job.id)
  end
end

-- The fields that a finished record needs, in place of those that are missing or make no sense.
local function mend_fields(job)
  local written = {}
  local function put(name, value)
    local n = #written
    job[name], written[n + 1], written[n + 2] = value, name, value
  end
  if not record.is_seq(job.seq) then put('seq', tostring(redis.call('INCR', keys.seq()))) end
  if not job.type then put('type', 'unknown') end
  for _, name in ipairs(NUMBERS) do
    if job[name] and not record.is_count(job[name]) then
      redis.call('HDEL', job.key, name)
      job[name] = nil
    end
  end
  if job.priority and job.priority ~= '0' then
    redis.call('HDEL', job.key, 'priority')
    job.priority = nil
  end
  if not job.at then put('at', STAMP) end
  if not job.ttl then put('ttl', tostring(TTL_MS)) end
  if #written > 0 then redis.call('HSET', job.key, unpack(written)) end
end

-- A job that has ended stays as it ended; one that has a result has completed; any other is FAILED.
local function end_it(job, reason)
  if record.is_finished(job) then return job.status end
  if redis.call('HEXISTS', job.key, 'result') == 1 then
    redis.call('HSET', job.key, 'status', 'completed', 'updated_at', STAMP)
    return 'completed'
  end
  redis.call('HSET', job.key, 'status', 'failed', 'updated_at', STAMP, 'error',
    'damaged record: ' .. reason, 'last_op', (job.attempt or '0') .. '/damaged')
  return 'failed'
end

-- When there is a damaged record of this id it is ended, and true returned.
local function look(id)
  local job, reason = examine(id)
  if not job then return false end
  leave_all(job)
  mend_fields(job)
  local was_live = not record.is_finished(job)
  local status = end_it(job, reason)
  if was_live then notice.ended(job, status) end
  job.updated_at = redis.call('HGET', job.key, 'updated_at') or job.at
  redis.call('ZADD', keys.finished(status), job.updated_at, id)
  local listed, scores = index.places_of(job, status)
  for i, key in ipairs(listed) do redis.call('ZADD', key, scores[i], id) end
  expiry.watch(tonumber(job.seq), tonumber(job.ttl), true)
  return true
end

local quarantine = { look = look, set_aside = set_aside, keep = keep }
