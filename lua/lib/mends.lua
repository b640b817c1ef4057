-- include: keys, clock, record, lanes, expiry, handoff, quarantine
-- Doctor's mends of one job, as its record says; checkup.lua names them. Each returns what it has done.

-- At least so long has a worker whose job had lost its lease to renew it.
local LEASE_MS = 30000

-- Until the worker that holds the job is gone if it is not alive.
local function give_lease(job)
  local alive_until = tonumber(redis.call('ZSCORE', keys.workers(), job.worker) or 0)
  redis.call('ZADD', keys.leases(), 'NX', math.max(alive_until, NOW + LEASE_MS), job.id)
  return 'leased until its worker is gone'
end

local function renew_lease(job)
  redis.call('ZREM', keys.leases(), job.id)
  return give_lease(job)
end

local function drop_lease(job)
  redis.call('ZREM', keys.leases(), job.id)
  return 'lease dropped'
end

-- Out of every place.
local function leave(job)
  redis.call('ZREM', keys.leases(), job.id)
  redis.call('ZREM', keys.scheduled(), job.id)
  lanes.remove(job)
  if job.worker then
    redis.call('LREM', keys.inbox(job.worker), 0, job.id)
    redis.call('LREM', keys.processing(job.worker), 0, job.id)
  end
  return 'dropped there'
end

-- Once in one list of its worker, and nowhere else. `at`: where it was found.
local function hold(job, at)
  local list = keys.inbox(job.worker)
  if job.status == 'processing' or at.processing > 0 then list = keys.processing(job.worker) end
  redis.call('LREM', keys.inbox(job.worker), 0, job.id)
  redis.call('LREM', keys.processing(job.worker), 0, job.id)
  redis.call('RPUSH', list, job.id)
  redis.call('ZREM', keys.scheduled(), job.id)
  lanes.remove(job)
  give_lease(job)
  return 'held by its worker alone'
end

local function schedule(job)
  redis.call('ZADD', keys.scheduled(), job.due_at or 0, job.id)
  return 'scheduled for the time in its record'
end

-- A PENDING job where it waits. When no worker holds it, it was handed to none.
local function settle(job, at)
  if at.held > 0 then return hold(job, at) end
  if job.worker then
    redis.call('HDEL', job.key, 'worker')
    redis.call('ZREM', keys.leases(), job.id)
    job.worker = nil
  end
  if tonumber(job.due_at or 0) > NOW then
    lanes.remove(job)
    return schedule(job)
  end
  redis.call('ZREM', keys.scheduled(), job.id)
  if at.lane == 0 then
    handoff.offer(job)
    handoff.flush()
  end
  return 'waits in its lane, or was handed to a worker'
end

local function join_ring(job)
  lanes.join_ring(job)
  return 'its company takes turns again'
end

local function add_type(job)
  redis.call('SADD', keys.types(), job.type)
  return 'added'
end

local function unlist(job, key)
  redis.call('ZREM', key, job.id)
  return 'dropped there'
end

local function finish(job, key)
  redis.call('ZADD', key, job.updated_at or job.at, job.id)
  return 'added'
end

local function list(job, place)
  redis.call('ZADD', place[1], place[2], job.id)
  return 'listed'
end

-- A user has one home; a job that says otherwise is away.
local function settle_home(job)
  local company = job.co or ''
  redis.call('HSETNX', keys.homes(), job.u, company)
  if redis.call('HGET', keys.homes(), job.u) == company then return 'is its home now' end
  redis.call('ZREM', keys.index_user(job.u), job.id)
  redis.call('HSET', job.key, 'away', '1')
  job.away = '1'
  return 'listed among the jobs for other companies'
end

local function watch(job)
  local left = job.status == 'processing' and tonumber(job.ttl) or math.max(0, record.expires_at(job) - NOW)
  expiry.watch(job.seq, left, true)
  return 'watched'
end

local function set_right(job)
  quarantine.look(job.id)
  return 'ended, with the reason'
end

local mends = {
  give_lease = give_lease,
  renew_lease = renew_lease,
  drop_lease = drop_lease,
  leave = leave,
  hold = hold,
  schedule = schedule,
  settle = settle,
  join_ring = join_ring,
  add_type = add_type,
  unlist = unlist,
  finish = finish,
  list = list,
  settle_home = settle_home,
  watch = watch,
  quarantine = set_right,
}
