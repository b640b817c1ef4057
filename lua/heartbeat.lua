-- PURPOSE  Says that a worker lives, and renews the leases of the jobs that it holds.
-- KEYS     tag
-- ARGV     worker, lease_ms, alive_ms, max_retries, info, held...
--          alive_ms = it counts as gone when silent for longer; max_retries = for jobs of its that get lost; info = JSON for operators
-- each     job_id, token
-- RETURNS  {now, ids that aren't this worker's any more...}
-- MOVES    nothing
-- AGAIN    renews again
-- COST     O(held * log leases)
-- include: go_on, keys, clock, batch, record

local worker, lease_ms, alive_ms, max_retries, info = unpack(ARGV, 1, 5)
redis.call('ZADD', keys.workers(), NOW + alive_ms, worker)
redis.call('HSET', keys.worker(worker), 'max_retries', max_retries, 'info', info, 'seen_at', NOW)

local gone = {}
for first = 6, #ARGV, 2 do
  local job_id, token = ARGV[first], ARGV[first + 1]
  local job = record.read(job_id)
  if job and job.status == 'processing' and record.token(job) == token then
    batch.zadd(keys.leases(), NOW + lease_ms, job_id)
  else
    gone[#gone + 1] = job_id
  end
end
batch.flush()
return { NOW, gone }
