-- Collects sorted-set and list writes, so that a call over N jobs sends one command per key.
-- batch.flush() sends removals first, then additions: flush between two transitions of one job.

local batch = { removed = {}, added = {}, pushed = {} }

local CHUNK = 2000 -- arguments per command; Lua's unpack fails near 8,000

local function collect(map, key, ...)
  local list = map[key]
  if not list then
    list = {}
    map[key] = list
  end
  for i = 1, select('#', ...) do
    list[#list + 1] = (select(i, ...))
  end
end

local function send(command, map)
  for key, list in pairs(map) do
    for first = 1, #list, CHUNK do
      redis.call(command, key, unpack(list, first, math.min(first + CHUNK - 1, #list)))
    end
  end
end

function batch.zadd(key, score, member) collect(batch.added, key, score, member) end

function batch.zrem(key, member) collect(batch.removed, key, member) end

function batch.rpush(key, member) collect(batch.pushed, key, member) end

function batch.flush()
  send('ZREM', batch.removed)
  send('ZADD', batch.added)
  send('RPUSH', batch.pushed)
  batch.removed, batch.added, batch.pushed = {}, {}, {}
end
