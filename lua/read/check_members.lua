-- PURPOSE  Doctor, from the structures: what a list or sorted set names exists and belongs there.
-- KEYS     tag
-- ARGV     family, name, start, count
--          family = the key's kind (index, scheduled, leases, finished, lane, ring, inbox, processing); name = the key without the tag
-- RETURNS  {how many were looked at, {member, problem}...}
-- MOVES    nothing
-- COST     O(count * log n)
-- include: keys, record, index, lanes

local family, name, start, count = unpack(ARGV)
local key = TAG .. name
local last = start + count - 1

local function where(job)
  if job.worker and record.is_live(job) then return 'held' end
  return job.status
end

local RULES = {
  index = function(job)
    for _, index_key in ipairs(index.keys_of(job)) do
      if index_key == key then return true end
    end
    return false
  end,
  scheduled = function(job) return job.status == 'pending' and not job.worker end,
  leases = function(job) return where(job) == 'held' end,
  finished = function(job) return job.status == name end,
  lane = function(job)
    return where(job) == 'pending' and lanes.key_of(job) == key
  end,
  inbox = function(job) return job.status == 'pending' and job.worker and keys.inbox(job.worker) == key end,
  processing = function(job) return record.is_live(job) and job.worker and keys.processing(job.worker) == key end,
}

local members
if family == 'inbox' or family == 'processing' then
  members = redis.call('LRANGE', key, start, last)
else
  members = redis.call('ZRANGE', key, start, last)
end

local problems = {}
local function problem(member, text) problems[#problems + 1] = { member, text } end

local function check_ring(company)
  local priority, job_type = string.match(name, '^ring:([^:]*):(.*)$')
  if redis.call('EXISTS', keys.lane(priority, job_type, company)) == 0 then
    problem(company, 'in ' .. name .. ' without a lane')
  end
end

for _, member in ipairs(members) do
  if family == 'ring' then
    check_ring(member)
  else
    local job = record.read(member)
    if not job then
      problem(member, 'in ' .. name .. ' without a record')
    elseif not RULES[family](job) then
      problem(member, 'in ' .. name .. ' but ' .. job.status)
    end
  end
end
return { #members, problems }
