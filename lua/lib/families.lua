-- include: keys, index
-- Doctor's look at the keys themselves: each family has its type, and the counter is ahead of all.

local TYPES = {
  seq = 'string', meta = 'hash', job = 'hash', homes = 'hash', worker = 'hash', types = 'set',
  inbox = 'list', processing = 'list',
  index = 'zset', scheduled = 'zset', leases = 'zset', expiry = 'zset', workers = 'zset',
  parked = 'zset', lane = 'zset', ring = 'zset', completed = 'zset', failed = 'zset', cancelled = 'zset',
}

local MOST_SEQS = 9e12 -- a band of an index holds 10^13

local function family_of(name) return string.match(name, '^[^:]*') end

-- The number of the newest job that is listed.
local function highest_seq()
  local highest = 0
  for _, status in ipairs({ 'pending', 'processing', 'completed', 'failed', 'cancelled' }) do
    local found = index.newest(keys.index(), status, 1e13, 0, 1)
    highest = math.max(highest, found[2] or 0)
  end
  return highest
end

local function check_seq()
  local kind = redis.call('TYPE', keys.index()).ok
  if kind ~= 'zset' and kind ~= 'none' then return nil end
  if redis.call('TYPE', keys.seq()).ok ~= 'string' and kind == 'none' then return nil end
  local last = tonumber(redis.pcall('GET', keys.seq()) or 0)
  if not last or last < highest_seq() then return 'the last submission number is behind' end
  if last > MOST_SEQS then return 'the last submission number is beyond all that there can be' end
end

-- What is wrong with the key of that name, nil when nothing is. Keys of families that we don't
-- know are left alone.
local function problem_of(name)
  local family = family_of(name)
  local wanted, kind = TYPES[family], redis.call('TYPE', keys.named(name)).ok
  if family == 'job' or not wanted or kind == 'none' then return nil end
  if kind ~= wanted then return 'is a ' .. kind .. ', not a ' .. wanted end
  if family == 'worker' then
    local worker = string.sub(name, #'worker:' + 1)
    if not redis.pcall('ZSCORE', keys.workers(), worker) then return 'of a worker that is not registered' end
  end
end

local families = { problem_of = problem_of, check_seq = check_seq, highest_seq = highest_seq }
