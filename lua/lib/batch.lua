-- Collects sorted-set and list writes, so that a call over N jobs sends one command per key.
-- flush() sends removals first, then additions: flush between two transitions of one job.

local ARGUMENTS = 2000 -- arguments per command; Lua's unpack fails near 8,000

local removed, added, pushed = {}, {}, {}

local function zadd(key, score, member)
  local list = added[key]
  if list then
    local n = #list
    list[n + 1], list[n + 2] = score, member
  else
    added[key] = { score, member }
  end
end

local function zrem(key, member)
  local list = removed[key]
  if list then
    list[#list + 1] = member
  else
    removed[key] = { member }
  end
end

local function rpush(key, member)
  local list = pushed[key]
  if list then
    list[#list + 1] = member
  else
    pushed[key] = { member }
  end
end

local function send(command, lists)
  for key, list in pairs(lists) do
    for first = 1, #list, ARGUMENTS do
      redis.call(command, key, unpack(list, first, math.min(first + ARGUMENTS - 1, #list)))
    end
    lists[key] = nil
  end
end

local function flush_batch()
  send('ZREM', removed)
  send('ZADD', added)
  send('RPUSH', pushed)
end

local batch = { zadd = zadd, zrem = zrem, rpush = rpush, flush = flush_batch }
