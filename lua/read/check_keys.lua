-- PURPOSE  Doctor, of the keys themselves: each has the type of its family, a worker's hash has its worker, and the counter is ahead of all jobs.
-- KEYS     tag
-- ARGV     names...
--          names = keys without the tag
-- RETURNS  {name, kind, problem}...
-- MOVES    nothing
-- COST     O(names)
-- include: families

local problems = {}
for _, name in ipairs(ARGV) do
  local problem = families.problem_of(name)
  if problem then problems[#problems + 1] = { name, 'key', problem } end
end
local behind = families.check_seq()
if behind then problems[#problems + 1] = { 'seq', 'seq', behind } end
return problems
