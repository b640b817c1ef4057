-- include: keys
-- When records expire. Jobs are watched in chunks of 64 submission numbers: a chunk's score is a
-- time before which none of its jobs can expire, so no transition has to move it. cleanup looks
-- into a chunk when that time comes, and sets the next.

local CHUNK = 64

local function chunk_of(seq) return math.floor(seq / CHUNK) end

local function seqs_of(chunk) return chunk * CHUNK, chunk * CHUNK + CHUNK - 1 end

-- Jobs per chunk, to turn a limit in jobs into one in chunks.
local function chunk_size() return CHUNK end

-- A job of this chunk may expire as early as `at`.
local function no_later(chunk, at) redis.call('ZADD', keys.expiry, 'LT', at, chunk) end

local expiry = {
  chunk_of = chunk_of,
  seqs_of = seqs_of,
  chunk_size = chunk_size,
  no_later = no_later,
}
