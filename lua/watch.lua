-- PURPOSE  Somebody waits for jobs to end: says how they stand now, and has their ends announced from now on.
-- KEYS     tag
-- ARGV     keep_ms, company, job_ids...
--          keep_ms = how long ends are announced for, unless this is called again; company '' = anyone's
-- RETURNS  the status of each job, '' when there is no such job, or when it is another company's
-- MOVES    nothing
-- AGAIN    the same
-- COST     O(job_ids)
-- include: keys, go_on

local keep_ms, company = unpack(ARGV, 1, 2)
if redis.call('PEXPIRE', keys.waited(), keep_ms) == 0 then
  redis.call('SET', keys.waited(), '1', 'PX', keep_ms)
end

local statuses = {}
for i = 3, #ARGV do
  local found = redis.pcall('HMGET', keys.job(ARGV[i]), 'status', 'co')
  local is_theirs = company == '' or found[2] == company
  statuses[i - 2] = is_theirs and found[1] or ''
end
return statuses
