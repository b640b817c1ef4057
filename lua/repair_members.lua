-- PURPOSE  Doctor's mend, from the structures: drops the members that check_members or check_entries found and that still don't belong there.
-- KEYS     tag
-- ARGV     family, name, members...
--          family, name = as check_members'; for sets and hashes both are the key's name
-- RETURNS  {member, kind, problem, what was done}...
-- MOVES    nothing
-- AGAIN    finds nothing to mend
-- COST     O(members * (log n + length of a worker's list))
-- include: go_on, keys, clock, belongs

local family, name = unpack(ARGV, 1, 2)
local key = keys.named(name)

local function drop(member)
  if family == 'inbox' or family == 'processing' then
    redis.call('LREM', key, 0, member)
  elseif family == 'types' then
    redis.call('SREM', key, member)
  elseif family == 'homes' then
    redis.call('HDEL', key, member)
  elseif family == 'workers' then
    redis.call('ZADD', key, STAMP, member)
    return 'gone, unless it says again that it lives'
  else
    redis.call('ZREM', key, member)
  end
  return 'dropped there'
end

local mended = {}
for i = 3, #ARGV do
  local problem = belongs.stands_in(family, name, ARGV[i]) and belongs.problem_of(family, name, ARGV[i])
  if problem then mended[#mended + 1] = { ARGV[i], 'member', problem, drop(ARGV[i]) } end
end
return mended
