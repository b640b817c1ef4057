-- include: keys, clock, batch, record, index, homes, expiry, chunks, finish
-- Ends of records: a PENDING job whose ttl passed is CANCELLED, a finished one is purged.

local STATUSES = { 'pending', 'processing', 'completed', 'failed', 'cancelled' }

local SOON_MS = 3600000

local bereft = {} -- users who lost a job of their home index

local function purge(job)
  redis.call('DEL', keys.job(job.id))
  redis.call('ZREM', keys.finished(job.status), job.id)
  for _, key in ipairs((index.places_of(job, job.status))) do batch.zrem(key, job.id) end
  if job.u and not job.away then bereft[job.u] = true end
end

local function flush()
  batch.flush()
  for user in pairs(bereft) do homes.forget_if_empty(user) end
  bereft = {}
end

-- Handles one job of a due chunk; returns when to look at it again, nil when it is gone.
local function visit(id, counts)
  local job = record.read(id)
  if not job then
    -- include here: quarantine
    return quarantine.look(id) and NOW + SOON_MS or nil
  end
  if job.status == 'processing' then return NOW + job.ttl end
  local expires_at = record.expires_at(job)
  if expires_at > NOW then return math.min(expires_at, NOW + job.ttl) end
  if job.status == 'pending' then
    finish.expire(job)
    counts.expired = counts.expired + 1
    return NOW + job.ttl
  end
  purge(job)
  counts.purged = counts.purged + 1
  return nil
end

local function visit_chunk(chunk, counts)
  local low, high = expiry.seqs_of(chunk)
  expiry.close(chunk)
  local next_visit
  for _, status in ipairs(STATUSES) do
    for _, id in ipairs(index.between(status, low, high)) do
      local at = visit(id, counts)
      if at and (not next_visit or at < next_visit) then next_visit = at end
    end
  end
  if next_visit then
    redis.call('ZADD', keys.expiry(), next_visit, chunk)
  else
    redis.call('ZREM', keys.expiry(), chunk)
  end
end

-- Looks into the chunks that are due, about `limit` jobs. Returns {purged, expired, more}: more chunks may be due.
local function expired(limit)
  local most = math.max(1, math.floor(limit / chunks.SIZE))
  local due = redis.call('ZRANGEBYSCORE', keys.expiry(), '-inf', NOW, 'LIMIT', 0, most)
  local counts = { purged = 0, expired = 0, more = #due == most }
  for _, chunk in ipairs(due) do
    if tonumber(chunk) then
      visit_chunk(tonumber(chunk), counts)
    else
      redis.call('ZREM', keys.expiry(), chunk) -- whatever it is: it would hold up all upkeep
    end
  end
  flush()
  return counts
end

-- Purges up to `limit` jobs that finished at or before `cutoff` (ms). Returns their number.
local function finished_before(cutoff, limit)
  local purged = 0
  for _, status in ipairs({ 'completed', 'failed', 'cancelled' }) do
    local ids = redis.call('ZRANGEBYSCORE', keys.finished(status), '-inf', cutoff,
      'LIMIT', 0, limit - purged)
    for _, id in ipairs(ids) do
      local job = record.read(id)
      if job then
        purge(job)
      else
        redis.call('ZREM', keys.finished(status), id)
        -- include here: quarantine
        quarantine.look(id)
      end
    end
    purged = purged + #ids
    if purged >= limit then break end
  end
  flush()
  return purged
end

local cleanup = { expired = expired, finished_before = finished_before }
