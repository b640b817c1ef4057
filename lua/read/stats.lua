-- PURPOSE  What an operator asks first: how many jobs are where, who works, what waits for nobody.
-- KEYS     tag
-- ARGV     limit
--          limit = at most so many types and workers
-- RETURNS  {now, {status, count}..., scheduled, leased, parked, alive, {type, companies waiting}..., {worker, alive until, info}...}
--          alive = how many live workers there are in all
-- MOVES    nothing
-- COST     O(log n + limit)
-- include: keys, clock, index

local limit = unpack(ARGV)
limit = tonumber(limit)

local counts = {}
for i, status in ipairs({ 'pending', 'processing', 'completed', 'failed', 'cancelled' }) do
  counts[i] = { status, index.count(status) }
end
local types = {}
for i, job_type in ipairs(redis.call('SRANDMEMBER', keys.types(), limit)) do
  types[i] = { job_type, redis.call('ZCARD', keys.ring('0', job_type)) }
end
local workers = {}
local live = redis.call('ZRANGEBYSCORE', keys.workers(), NOW, '+inf', 'WITHSCORES', 'LIMIT', 0, limit)
for i = 1, #live, 2 do
  workers[#workers + 1] = { live[i], live[i + 1], redis.call('HGET', keys.worker(live[i]), 'info') or '' }
end
return {
  NOW, counts, redis.call('ZCARD', keys.scheduled()), redis.call('ZCARD', keys.leases()),
  redis.call('ZCOUNT', keys.parked(), NOW, '+inf'), redis.call('ZCOUNT', keys.workers(), NOW, '+inf'),
  types, workers,
}
