-- A job's place in an index: the band of its status, then its submission number. As text, since the
-- server formats each number that a script passes on.

-- 10^13 submissions a band; the highest score stays under 2^53, where doubles are exact.
local WIDTH = 1e13
local PENDING = '5'

-- In the order in which most jobs pass them, backwards: a job that starts is mostly the oldest of those
-- that wait, and stands last among those that run without changing its place in the set (decision 18).
local BAND = { pending = PENDING, processing = '4', completed = '3', failed = '2', cancelled = '1' }

local function padded(seq) return string.sub('0000000000000', #seq + 1) .. seq end

local function of_new(seq) return PENDING .. padded(seq) end

local function score_of(job, status) return BAND[status] .. padded(job.seq) end

-- The first score of a status.
local function first_of(status) return BAND[status] * WIDTH end

local score = { of = score_of, of_new = of_new, first_of = first_of, WIDTH = WIDTH }
