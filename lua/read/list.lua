-- PURPOSE  A page of jobs, newest first, with any mix of filters.
-- KEYS     tag
-- ARGV     company, user, before_seq, limit, statuses...
--          '' = any company, any user, from the newest on
-- RETURNS  {job_id, record}...
-- MOVES    nothing
-- COST     O(statuses * (log n + limit))
-- include: keys, index

local company, user, before_seq, limit = unpack(ARGV, 1, 4)
limit = tonumber(limit)
local before = tonumber(before_seq ~= '' and before_seq or 1e13)

local found = {}
for _, key in ipairs(index.keys_for(company, user)) do
  for i = 5, #ARGV do
    local page = index.newest(key, ARGV[i], before, limit)
    for j = 1, #page, 2 do
      found[#found + 1] = { id = page[j], seq = index.seq_of(page[j + 1], ARGV[i]) }
    end
  end
end
table.sort(found, function(a, b) return a.seq > b.seq end)

local jobs = {}
for i = 1, math.min(limit, #found) do
  local flat = redis.pcall('HGETALL', keys.job(found[i].id))
  if flat.err then flat = {} end -- something else in its place: a page is not spoiled by it
  -- The number that the index has, for the next page, whatever has become of the record's own.
  flat[#flat + 1], flat[#flat + 2] = 'seq', string.format('%.0f', found[i].seq)
  jobs[i] = { found[i].id, flat }
end
return jobs
