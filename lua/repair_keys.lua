-- PURPOSE  Doctor's mend, of the keys themselves: a key of a wrong type is set aside as `quarantine:<time>:<name>` for a week, the hash of a worker that is gone is deleted, the counter is set ahead.
-- KEYS     tag
-- ARGV     names...
--          names = keys without the tag
-- RETURNS  {name, kind, problem, what was done}...
-- MOVES    nothing
-- AGAIN    finds nothing to mend
-- COST     O(names), and what deleting a worker's hash takes
-- include: keys, families, quarantine

local mended = {}

local function mend(name)
  if string.find(name, '^worker:') and redis.call('TYPE', keys.named(name)).ok == 'hash' then
    redis.call('DEL', keys.named(name))
    return 'deleted'
  end
  return 'set aside as ' .. quarantine.set_aside(keys.named(name), name)
end

for _, name in ipairs(ARGV) do
  local problem = families.problem_of(name)
  if problem then mended[#mended + 1] = { name, 'key', problem, mend(name) } end
end
local behind = families.check_seq()
if behind then
  redis.call('SET', keys.seq(), string.format('%.0f', families.highest_seq()))
  mended[#mended + 1] = { 'seq', 'seq', behind, 'set to that of the newest job' }
end
return mended
