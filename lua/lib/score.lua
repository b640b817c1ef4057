-- A job's place in an index: the band of its status, then its submission number, both below zero, so that
-- the newest stands first. As text, since the server formats each number that a script passes on.

-- 10^13 submissions a band; no score is beyond 2^53, where doubles are exact.
local WIDTH = 1e13

-- What runs stands before what waits and what has ended, and nothing behind a long history: most changes are
-- made near the head, where a sorted set of any length is quick (decision 22).
local PENDING = '-4'
local BAND = { processing = '-5', pending = PENDING, completed = '-3', failed = '-2', cancelled = '-1' }

local ZEROS = '0000000000000' -- as many digits as WIDTH has zeros

local function of_new(seq) return PENDING .. string.sub(ZEROS, #seq + 1) .. seq end

local function score_of(job, status)
  local seq = job.seq
  return BAND[status] .. string.sub(ZEROS, #seq + 1) .. seq
end

-- What the scores of a status are counted from: a job's is -(base + its submission number).
local function base_of(status) return -BAND[status] * WIDTH end

local score = { of = score_of, of_new = of_new, base_of = base_of, WIDTH = WIDTH }
