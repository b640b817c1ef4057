-- include: keys, clock, chunks
-- When records expire. Jobs are watched in chunks: a chunk's score is a time before which none of its jobs
-- can expire, so no transition has to move it. cleanup looks into a chunk when that time comes, and sets
-- the next.

-- The first job of a chunk has it looked into within an hour. So a later one, unless it lives for
-- less than that, has nothing to write.
local SOON_MS = 3600000

local function chunk_of(seq) return math.floor((seq - 1) / chunks.SIZE) end

local function seqs_of(chunk) return chunk * chunks.SIZE + 1, chunk * chunks.SIZE + chunks.SIZE end

-- A new job, or the one that lives shortest of those that a call adds to a chunk.
local function watch(seq, ttl_ms, is_first)
  if not is_first and ttl_ms >= SOON_MS then return end
  redis.call('ZADD', keys.expiry(), 'LT', NOW + math.min(ttl_ms, SOON_MS), chunk_of(seq))
end

local function is_first(seq) return seq % chunks.SIZE == 1 end

-- The last of the chunk that this one is in.
local function last_with(seq) return seq + (chunks.SIZE - seq) % chunks.SIZE end

-- The chunk takes no new jobs: they would rely on a look that has been. Its unused numbers are lost.
local function close(chunk)
  local low, high = seqs_of(chunk)
  local last = tonumber(redis.call('GET', keys.seq()) or 0)
  if last >= low and last < high then redis.call('SET', keys.seq(), string.format('%.0f', high)) end
end

local expiry = {
  chunk_of = chunk_of,
  seqs_of = seqs_of,
  watch = watch,
  is_first = is_first,
  last_with = last_with,
  close = close,
}
