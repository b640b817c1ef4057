-- PURPOSE  Doctor, from the structures: as check_members, for entries of a set or hash that SSCAN or HSCAN gave.
-- KEYS     tag
-- ARGV     family, entries...
--          family = the key's name: types, homes
-- RETURNS  {entry, kind, problem}...
-- MOVES    nothing
-- COST     O(entries)
-- include: belongs

local family = unpack(ARGV, 1, 1)
local problems = {}
for i = 2, #ARGV do
  local problem = belongs.stands_in(family, family, ARGV[i]) and belongs.problem_of(family, family, ARGV[i])
  if problem then problems[#problems + 1] = { ARGV[i], 'member', problem } end
end
return problems
