-- PURPOSE  Doctor, from the structures: what a list or sorted set names exists and belongs there.
-- KEYS     tag
-- ARGV     family, name, start, count
--          family = the key's kind (index, scheduled, leases, finished, lane, ring, inbox, processing, expiry, workers, parked); name = the key without the tag
-- RETURNS  {how many were looked at, {member, kind, problem}...}
-- MOVES    nothing
-- COST     O(count * log n)
-- include: keys, belongs

local family, name, start, count = unpack(ARGV)
local key, last = keys.named(name), start + count - 1
local kind = redis.call('TYPE', key).ok
local is_list = family == 'inbox' or family == 'processing'
if kind ~= (is_list and 'list' or 'zset') then return { 0, {} } end -- gone, or check_keys says that it is wrong
local members = is_list and redis.call('LRANGE', key, start, last) or redis.call('ZRANGE', key, start, last)

local problems = {}
for _, member in ipairs(members) do
  local problem = belongs.problem_of(family, name, member)
  if problem then problems[#problems + 1] = { member, 'member', problem } end
end
return { #members, problems }
