-- PURPOSE  An idle worker's turn: does what is due for all, looks for work, and only when there is none registers the worker as waiting on its inbox.
-- KEYS     tag
-- ARGV     worker, lease_ms, park_ms, want, slots, tend_limit, types_count, types..., known...
--          slots = how many jobs the worker runs at once; types_count 0 = any type; known = ids that the worker holds already
-- RETURNS  {now, wait_ms, jobs}: jobs as of claim; wait_ms until the next scheduled job is due, or until more is to be done for all, -1 when there is none; 0 = call again without waiting
-- MOVES    PENDING -> PROCESSING as claim and adopt do; else the worker into parked; and what promote, recover and cleanup move
-- AGAIN    returns what the lost reply named, from the worker's own lists
-- COST     O((want + tend_limit) * log n + types)
-- include: go_on, clock, batch, start, hold, tend

local worker, lease_ms, park_ms, want, slots, tend_limit, types_count = unpack(ARGV, 1, 7)
want, slots, types_count = tonumber(want), tonumber(slots), tonumber(types_count)
local deadline = start.deadline_after(lease_ms)
local types = start.list_from(8, 7 + types_count)
local jobs = {}

local again = tonumber(tend_limit) > 0 and tend.run(tonumber(tend_limit)) or nil
hold.unpark(worker)
hold.adopt(worker, deadline, start.list_from(8 + types_count), jobs)
-- What it holds already is enough for this turn, and may have to run alone.
local more_may_wait = #jobs == 0 and start.claim(worker, deadline, want, slots, types, jobs)
batch.flush()
if #jobs == 0 and not more_may_wait and again ~= 0 then
  -- include here: idle
  local until_due = idle.park(worker, types, park_ms)
  if again and (until_due < 0 or again < until_due) then until_due = again end
  return { NOW, until_due, cmsgpack.pack(jobs) }
end
return { NOW, 0, cmsgpack.pack(jobs) }
