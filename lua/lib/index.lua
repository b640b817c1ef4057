-- include: keys, batch, score
-- Listing order. Each index is one sorted set whose score is the status's band and the submission number,
-- below zero: a status is a range of scores, newest first, and a change of status is one ZADD.
--
-- A job stands in the index of all jobs, of its company, and of its user. Most users work for one
-- company, their home: for those the user's index serves "this user of this company" too. A job of
-- another company is `away`: it stands in the user's away index and in that of the pair instead.
--
-- A job that waits in its lane is listed for its company by the lane itself (decision 21): `in_lane` is for
-- such a job, which its company's index doesn't have.

-- Puts the job under a status in every index that lists it; call batch.flush() after.
local function set(job, status, in_lane)
  local at, id, company, user = score.of(job, status), job.id, job.co, job.u
  batch.zadd(keys.index(), at, id)
  if company and not in_lane then batch.zadd(keys.index_company(company), at, id) end
  if user then
    if not job.away then
      batch.zadd(keys.index_user(user), at, id)
    else
      batch.zadd(keys.index_away(user), at, id)
      if company then batch.zadd(keys.index_both(company, user), at, id) end
    end
  end
end

-- Where set puts the job.
local function keys_of(job, in_lane)
  local found = { keys.index() }
  if job.co and not in_lane then found[#found + 1] = keys.index_company(job.co) end
  if job.u then
    found[#found + 1] = job.away and keys.index_away(job.u) or keys.index_user(job.u)
    if job.away and job.co then found[#found + 1] = keys.index_both(job.co, job.u) end
  end
  return found
end

-- Which indexes, joined, answer a listing with these filters ('' = any).
local function keys_for(company, user)
  if user == '' then return { company == '' and keys.index() or keys.index_company(company) } end
  if company == '' then return { keys.index_user(user), keys.index_away(user) } end
  local pair = { keys.index_both(company, user) }
  if redis.call('HGET', keys.homes(), user) == company then pair[2] = keys.index_user(user) end
  return pair
end

-- Ids under a status with a submission number from `low` to `high`, newest first.
local function between(status, low, high)
  local base = score.base_of(status)
  return redis.call('ZRANGEBYSCORE', keys.index(), -(base + high), -(base + low))
end

-- {id, its submission number, ...} newest first, from `from` to less than `before`.
local function newest(key, status, before, from, limit)
  local base = score.base_of(status)
  local first = '(-' .. string.format('%.0f', base + before)
  local found = redis.call('ZRANGEBYSCORE', key, first, -(base + from), 'WITHSCORES', 'LIMIT', 0, limit)
  for i = 2, #found, 2 do found[i] = -found[i] - base end
  return found
end

local function count(status)
  local base = score.base_of(status)
  return redis.call('ZCOUNT', keys.index(), '(-' .. string.format('%.0f', base + score.WIDTH), -base)
end

local index = {
  set = set,
  keys_of = keys_of,
  keys_for = keys_for,
  between = between,
  newest = newest,
  count = count,
}
