-- PURPOSE  An idle worker's turn: does what is due for all, looks for work, and only when there is none registers the worker as waiting on its inbox.
-- KEYS     tag
-- ARGV     worker, lease_ms, park_ms, want, tend_limit, types_count, types..., known...
--          types_count 0 = any type; known = ids that the worker holds already
-- RETURNS  {now, wait_ms, {job_id, token, record}...}: wait_ms until the next scheduled job is due, -1 when there is none; 0 = call again without waiting
-- MOVES    PENDING -> PROCESSING as claim and adopt do; else the worker into parked; and what promote, recover and cleanup move
-- AGAIN    returns what the lost reply named, from the worker's own lists
-- COST     O((want + tend_limit) * log n + types)
-- include: keys, clock, batch, start, hold, tend, promote, finish

local worker, lease_ms, park_ms, want, tend_limit, types_count = unpack(ARGV, 1, 6)
lease_ms, park_ms, want, types_count = tonumber(lease_ms), tonumber(park_ms), tonumber(want), tonumber(types_count)
local types = start.list_from(7, 6 + types_count)
local jobs = {}

tend.run(tonumber(tend_limit))
hold.unpark(worker)
hold.adopt(worker, lease_ms, start.list_from(7 + types_count), jobs)
local more_may_wait = start.claim(worker, lease_ms, want, types, jobs)
finish.flush()
if #jobs > 0 or more_may_wait then return { NOW, 0, jobs } end

local parked_until = NOW + park_ms
redis.call('ZADD', keys.parked, parked_until, worker)
if types_count == 0 then types = { '' } end
for _, job_type in ipairs(types) do
  redis.call('ZADD', keys.parked_for(job_type), parked_until, worker)
end
return { NOW, promote.wait_ms(), jobs }
