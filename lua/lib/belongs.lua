-- include: keys, clock, record, index, lanes
-- Doctor's look at what a list, sorted set, set or hash names: why it doesn't belong there.

local DAY_MS = 86400000

local function where(job)
  if job.worker and record.is_live(job) then return 'held' end
  return job.status
end

local function is_in_lane(job)
  if where(job) ~= 'pending' then return false end
  local at = redis.pcall('ZSCORE', lanes.key_of(job), job.id)
  return at and type(at) ~= 'table' -- a lane of another type is a finding of its own
end

-- family -> whether a job belongs into the key of that name.
local JOBS = {
  index = function(job, key)
    if job.co and key == keys.index_company(job.co) then return not is_in_lane(job) end
    for _, index_key in ipairs((index.places_of(job, job.status))) do
      if index_key == key then return true end
    end
    return false
  end,
  scheduled = function(job) return job.status == 'pending' and not job.worker end,
  leases = function(job) return where(job) == 'held' end,
  finished = function(job, key) return record.is_finished(job) and keys.finished(job.status) == key end,
  lane = function(job, key) return where(job) == 'pending' and lanes.key_of(job) == key end,
  inbox = function(job, key) return job.status == 'pending' and job.worker and keys.inbox(job.worker) == key end,
  processing = function(job, key) return record.is_live(job) and job.worker and keys.processing(job.worker) == key end,
}

-- Until when it is; nil also when the key is of another type, which is a finding of its own.
local function is_registered(worker)
  local alive_until = redis.pcall('ZSCORE', keys.workers(), worker)
  return type(alive_until) ~= 'table' and tonumber(alive_until) or nil
end

-- family -> what is wrong with a member that isn't a job, nil when nothing is.
local OTHERS = {
  ring = function(company, name)
    local priority, job_type = string.match(name, '^ring:([^:]*):(.*)$')
    if not priority or redis.call('EXISTS', keys.lane(priority, job_type, company)) == 0 then
      return 'in ' .. name .. ' without a lane'
    end
  end,
  expiry = function(chunk)
    if not string.find(chunk, '^%d+$') then return 'in expiry but no chunk of jobs' end
  end,
  -- A worker says for how long it counts as alive, two days at most.
  workers = function(worker)
    if is_registered(worker) - NOW > 7 * DAY_MS then return 'in workers as alive for years' end
  end,
  parked = function(worker)
    local until_ms = redis.call('ZSCORE', keys.parked(), worker) - NOW
    if until_ms > DAY_MS then return 'in parked for longer than any worker waits' end
    if until_ms < -DAY_MS and not is_registered(worker) then return 'in parked but long gone' end
  end,
  types = function(job_type)
    if not lanes.has_ring(job_type) then return 'in types without a waiting job' end
  end,
  homes = function(user)
    if redis.call('EXISTS', keys.index_user(user)) == 0 then return 'in homes without a job' end
  end,
}

local function problem_of(family, name, member)
  if OTHERS[family] then return OTHERS[family](member, name) end
  local job = record.read_any(member)
  if not job then return 'in ' .. name .. ' without a record' end
  if record.bad_field(job) then return nil end -- that is a finding of its own, and mended first
  if not JOBS[family](job, keys.named(name)) then return 'in ' .. name .. ' but ' .. job.status end
end

-- Whether the key still names the member: on a live queue it may have gone since it was found.
local function stands_in(family, name, member)
  local key = keys.named(name)
  if family == 'types' then return redis.call('SISMEMBER', key, member) == 1 end
  if family == 'homes' then return redis.call('HEXISTS', key, member) == 1 end
  if family == 'inbox' or family == 'processing' then return redis.call('LPOS', key, member) and true end
  return redis.call('ZSCORE', key, member) and true
end

local belongs = { problem_of = problem_of, stands_in = stands_in }
