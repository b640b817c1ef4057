-- PURPOSE  A worker stops: what it still holds goes back to where it waited, and counts as no attempt.
-- KEYS     tag
-- ARGV     worker
-- RETURNS  ids given back
-- MOVES    PROCESSING -> PENDING: processing list and leases -> inbox of another or lane; PENDING stays: inbox -> lane
-- AGAIN    gives back what is left
-- COST     O(length of the worker's own lists * log n)
-- include: keys, record, hold, handoff, again

local worker = unpack(ARGV)

local PER_LIST = 1000

local given_back = {}
local function empty(list)
  for _, id in ipairs(redis.call('LRANGE', list, 0, PER_LIST - 1)) do
    local job = record.read(id)
    if job and record.is_live(job) and job.worker == worker then
      again.give_back(job, 'left')
      given_back[#given_back + 1] = id
    else
      redis.call('LREM', list, 1, id)
      if not job then
        -- include here: quarantine
        quarantine.look(id)
      end
    end
  end
end

hold.unpark(worker)
empty(keys.processing(worker))
empty(keys.inbox(worker))
handoff.flush()
redis.call('ZREM', keys.workers(), worker)
redis.call('DEL', keys.worker(worker))
return given_back
