-- PURPOSE  Doctor, from the records: each of these jobs is in exactly the places that its status says.
-- KEYS     tag
-- ARGV     job_ids...
-- RETURNS  {job_id, problem}...
-- MOVES    nothing
-- COST     O(job_ids * (log n + length of its worker's lists))
-- include: keys, record, score, index, lanes, expiry

local problems = {}
local function problem(id, text) problems[#problems + 1] = { id, text } end

local function in_list(list, id) return #redis.call('LPOS', list, id, 'COUNT', 3) end
local function in_zset(key, id) return redis.call('ZSCORE', key, id) and 1 or 0 end

local function check_waiting(job)
  local lane = in_zset(lanes.key_of(job), job.id)
  local scheduled = in_zset(keys.scheduled(), job.id)
  local held = 0
  if job.worker then
    held = in_list(keys.inbox(job.worker), job.id) + in_list(keys.processing(job.worker), job.id)
  end
  if job.status == 'processing' and (held ~= 1 or lane + scheduled > 0) then
    problem(job.id, 'PROCESSING but in ' .. held .. ' lists of its worker, ' .. lane .. ' lanes, ' .. scheduled .. ' scheduled')
  elseif held + lane + scheduled ~= 1 then
    problem(job.id, 'PENDING but in ' .. held .. ' lists of a worker, ' .. lane .. ' lanes, ' .. scheduled .. ' scheduled')
  end
  if in_zset(keys.leases(), job.id) ~= held then
    problem(job.id, held == 1 and 'held by a worker without a lease' or 'has a lease but no worker holds it')
  end
  if lane == 1 then
    local ring = keys.ring(job.priority or '0', job.type)
    if in_zset(ring, job.company or '') == 0 then problem(job.id, 'its lane is missing from the ring') end
    if redis.call('SISMEMBER', keys.types(), job.type) == 0 then
      problem(job.id, 'its type is missing from the types')
    end
  end
end

local function check_indexes(job)
  local expected = tonumber(score.of(job, job.status))
  for _, key in ipairs(index.keys_of(job)) do
    local stands = tonumber(redis.call('ZSCORE', key, job.id) or nil)
    if stands ~= expected then problem(job.id, 'stands wrongly in ' .. key) end
  end
  if job.user and not job.away
    and redis.call('HGET', keys.homes(), job.user) ~= (job.company or '') then
    problem(job.id, 'its company is not the home of its user')
  end
  local seen = 0
  for _, status in ipairs({ 'completed', 'failed', 'cancelled' }) do
    local there = in_zset(keys.finished(status), job.id)
    seen = seen + there
    if (there == 1) ~= (job.status == status) then
      problem(job.id, (there == 1 and 'stands in ' or 'is missing from ') .. status)
    end
  end
  local watched = tonumber(redis.call('ZSCORE', keys.expiry(), expiry.chunk_of(job.seq)) or nil)
  if not watched then
    problem(job.id, 'its expiry is not watched')
  elseif job.status ~= 'processing' and watched > record.expires_at(job) then
    problem(job.id, 'its expiry is watched too late')
  end
end

for _, id in ipairs(ARGV) do
  local job = record.read(id)
  if job and not record.is_sound(job) then
    problem(id, 'its record is damaged')
  elseif job then
    if record.is_live(job) then
      check_waiting(job)
    elseif in_zset(keys.leases(), id) + in_zset(keys.scheduled(), id)
      + in_zset(lanes.key_of(job), id) > 0 then
      problem(id, job.status .. ' but still leased, scheduled or in a lane')
    end
    check_indexes(job)
  end
end
return problems
