-- include: keys, batch
-- Listing order. Each index is one sorted set whose score is the status's band plus the submission
-- number: a status is a range of scores, newest first is that range backwards, and a change of
-- status is one ZADD. Each job stands once in the index of all jobs, of its company, of its user,
-- and of the pair.

local index = {}

-- 10^13 submissions a band; the highest score stays under 2^53, where doubles are exact.
local BAND = { pending = 1e13, processing = 2e13, completed = 3e13, failed = 4e13, cancelled = 5e13 }

-- Calls apply(key) for each index that the job stands in.
function index.each(job, apply)
  apply(keys.index)
  if job.company ~= '' then apply(keys.index_company(job.company)) end
  if job.user ~= '' then
    apply(keys.index_user(job.user))
    if job.company ~= '' then apply(keys.index_both(job.company, job.user)) end
  end
end

-- Puts the job under a status in every index; call batch.flush() after.
function index.set(job, status)
  local score = BAND[status] + job.seq
  index.each(job, function(key) batch.zadd(key, score, job.id) end)
end

function index.remove(job)
  index.each(job, function(key) batch.zrem(key, job.id) end)
end

-- The index that answers a listing with these filters ('' = any).
function index.key_for(company, user)
  if company ~= '' and user ~= '' then return keys.index_both(company, user) end
  if company ~= '' then return keys.index_company(company) end
  if user ~= '' then return keys.index_user(user) end
  return keys.index
end

-- Ids under a status with a submission number from `low` to `high`, oldest first.
function index.between(status, low, high)
  return redis.call('ZRANGEBYSCORE', keys.index, BAND[status] + low, BAND[status] + high)
end

-- {id, score, ...} under a status, newest first, submitted before `before`, from any of the indexes.
function index.newest(key, status, before, limit)
  return redis.call('ZREVRANGEBYSCORE', key, '(' .. string.format('%.0f', BAND[status] + before),
    BAND[status], 'WITHSCORES', 'LIMIT', 0, limit)
end

function index.seq_of(score, status) return score - BAND[status] end

function index.count(status)
  return redis.call('ZCOUNT', keys.index, BAND[status],
    '(' .. string.format('%.0f', BAND[status] + 1e13))
end

function index.score(job, status) return BAND[status] + job.seq end
