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
--
-- A user's index doesn't tell what runs from what waits (decision 30): both stand there as PENDING.

-- Puts the job under a status in every index that lists it; call batch.flush() after.
local function set(job, status, in_lane)
  local at, id, company, user = score.of(job, status), job.id, job.co, job.u
  batch.zadd(keys.index(), at, id)
  if company and not in_lane then batch.zadd(keys.index_company(company), at, id) end
  if user and status ~= 'processing' then -- which stands there since it waited
    if not job.away then
      batch.zadd(keys.index_user(user), at, id)
    else
      batch.zadd(keys.index_away(user), at, id)
      if company then batch.zadd(keys.index_both(company, user), at, id) end
    end
  end
end

-- Where a job of this status stands, and under which score in each: in the indexes, and in the lane if it waits in
-- one (then not in its company's index).
local function places_of(job, status, lane)
  local at = score.of(job, status)
  local found, scores = { keys.index() }, { at }
  local function stands_in(key)
    found[#found + 1], scores[#scores + 1] = key, at
  end
  if lane then
    stands_in(lane)
  elseif job.co then
    stands_in(keys.index_company(job.co))
  end
  if not job.u then return found, scores end
  if status == 'processing' then at = score.of(job, 'pending') end
  stands_in(job.away and keys.index_away(job.u) or keys.index_user(job.u))
  if job.away and job.co then stands_in(keys.index_both(job.co, job.u)) end
  return found, scores
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
  places_of = places_of,
  keys_for = keys_for,
  between = between,
  newest = newest,
  count = count,
}
