-- include: keys, clock, record, index, lanes, expiry
-- Doctor's look at one job, from its record. Each problem is stated with the name of its mend, one of
-- lua/lib/mends.lua: the reading script reports, the repairing one mends at once what it has just seen.

local LONGEST_LEASE_MS = 11 * 365 * 86400000 -- a caller may ask for ten years

-- What a look at a key of another type gives is nil: such a key is a finding of its own.
local function ask(...)
  local reply = redis.pcall(...)
  if type(reply) ~= 'table' or not reply.err then return reply end
  if not string.find(reply.err, 'WRONGTYPE', 1, true) then redis.call(...) end -- raised again
  return nil
end

local function stands_at(key, id) return tonumber(ask('ZSCORE', key, id) or nil) end

local function in_zset(key, id) return stands_at(key, id) and 1 or 0 end

local function in_list(list, id) return #(ask('LPOS', list, id, 'COUNT', 3) or {}) end

-- In how many places of each kind the job is.
local function places_of(job)
  local at = { inbox = 0, processing = 0 }
  if job.worker then
    at.inbox = in_list(keys.inbox(job.worker), job.id)
    at.processing = in_list(keys.processing(job.worker), job.id)
  end
  at.held = at.inbox + at.processing
  at.lane = in_zset(lanes.key_of(job), job.id)
  at.scheduled = in_zset(keys.scheduled(), job.id)
  return at
end

local function check_place(job, report)
  local at = places_of(job)
  local is_running = job.status == 'processing'
  local where = at.held .. ' lists of ' .. (is_running and 'its' or 'a') .. ' worker, '
    .. at.lane .. ' lanes, ' .. at.scheduled .. ' scheduled'
  if is_running and (at.held ~= 1 or at.lane + at.scheduled > 0) then
    report('place', 'PROCESSING but in ' .. where, 'hold', job, at)
  elseif not is_running and at.held + at.lane + at.scheduled ~= 1 then
    report('place', 'PENDING but in ' .. where, 'settle', job, at)
  elseif is_running and at.processing == 0 then
    report('place', 'PROCESSING but in the inbox of its worker', 'hold', job, at)
  elseif job.worker and at.held == 0 then
    report('place', 'PENDING and handed to a worker that does not hold it', 'settle', job, at)
  end
end

local function check_lease(job, at, report)
  local leased_until = stands_at(keys.leases(), job.id)
  if at.held > 0 and leased_until and leased_until > NOW + LONGEST_LEASE_MS then
    report('lease', 'leased for longer than any lease lasts', 'renew_lease', job)
  elseif not leased_until and at.held > 0 then
    report('lease', 'held by a worker without a lease', 'give_lease', job)
  elseif leased_until and at.held == 0 then
    report('lease', 'has a lease but no worker holds it', 'drop_lease', job)
  end
end

local function check_line(job, at, report)
  local due_at = stands_at(keys.scheduled(), job.id)
  if due_at and math.max(due_at, NOW) ~= math.max(tonumber(job.due_at or 0), NOW) then
    report('place', 'scheduled for another time than its record says', 'schedule', job)
  end
  if at.lane == 0 then return end
  local ring, company = lanes.ring_of(job), job.co or ''
  if in_zset(ring, company) == 0 then
    report('ring', 'its lane is missing from the ring', 'join_ring', job)
  end
  if ask('SISMEMBER', keys.types(), job.type) == 0 then
    report('ring', 'its type is missing from the types', 'add_type', job)
  end
end

local function check_live(job, report)
  check_place(job, report)
  local at = places_of(job) -- as it is now, mended or not
  check_lease(job, at, report)
  check_line(job, at, report)
end

local function check_ended(job, report)
  local at = places_of(job)
  if at.held + at.lane + at.scheduled + in_zset(keys.leases(), job.id) == 0 then return end
  report('place', job.status .. ' but still leased, scheduled or in a lane', 'leave', job)
end

local function check_finished_sets(job, report)
  for _, status in ipairs({ 'completed', 'failed', 'cancelled' }) do
    local key = keys.finished(status)
    local is_there, belongs = in_zset(key, job.id) == 1, job.status == status
    if is_there and not belongs then
      report('finished', 'stands in ' .. status, 'unlist', job, key)
    elseif belongs and not is_there then
      report('finished', 'is missing from ' .. status, 'finish', job, key)
    end
  end
end

local function check_indexes(job, report)
  if job.u and not job.away and ask('HGET', keys.homes(), job.u) ~= (job.co or '') then
    report('home', 'its company is not the home of its user', 'settle_home', job)
  end
  local lane = lanes.key_of(job)
  local in_lane = job.status == 'pending' and in_zset(lane, job.id) == 1
  local listed, scores = index.places_of(job, job.status, in_lane and lane)
  for i, key in ipairs(listed) do
    if stands_at(key, job.id) ~= tonumber(scores[i]) then
      report('index', 'stands wrongly in ' .. key, 'list', job, { key, scores[i] })
    end
  end
  if in_lane and job.co and stands_at(keys.index_company(job.co), job.id) then
    report('index', 'is listed by its lane, and by ' .. keys.index_company(job.co), 'unlist', job,
      keys.index_company(job.co))
  end
end

local function check_expiry(job, report)
  local watched = stands_at(keys.expiry(), expiry.chunk_of(job.seq))
  if not watched then
    report('expiry', 'its expiry is not watched', 'watch', job)
  elseif job.status ~= 'processing' and watched > record.expires_at(job) then
    report('expiry', 'its expiry is watched too late', 'watch', job)
  end
end

-- Calls report(kind, problem, mend, job, what the mend needs besides) for each thing that is off.
local function examine(id, report)
  local job = record.read_any(id)
  if not job and redis.call('EXISTS', keys.job(id)) == 0 then return end
  if not job or record.bad_field(job) then
    local field = job and ': ' .. record.bad_field(job) or ''
    return report('record', 'its record is damaged' .. field, 'quarantine', { id = id })
  end
  if record.is_live(job) then
    check_live(job, report)
  else
    check_ended(job, report)
  end
  check_finished_sets(job, report)
  check_indexes(job, report)
  check_expiry(job, report)
end

local checkup = { examine = examine }
