-- include: keys
-- When records expire. Jobs are watched in chunks of 64 submission numbers: a chunk's score is a
-- time before which none of its jobs can expire, so no transition has to move it. cleanup looks
-- into a chunk when that time comes, and sets the next.

local expiry = {}

local CHUNK = 64

function expiry.chunk_of(seq) return math.floor(seq / CHUNK) end

function expiry.seqs_of(chunk) return chunk * CHUNK, chunk * CHUNK + CHUNK - 1 end

-- Jobs per chunk, to turn a limit in jobs into one in chunks.
function expiry.chunk_size() return CHUNK end

-- A job of this chunk may expire as early as `at`.
function expiry.no_later(chunk, at) redis.call('ZADD', keys.expiry, 'LT', at, chunk) end
