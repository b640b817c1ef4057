-- PURPOSE  Doctor, from the records: each of these jobs is in exactly the places that its status says.
-- KEYS     tag
-- ARGV     job_ids...
-- RETURNS  {job_id, kind, problem}...
-- MOVES    nothing
-- COST     O(job_ids * (log n + length of its worker's lists))
-- include: checkup

local problems = {}
for _, id in ipairs(ARGV) do
  checkup.examine(id, function(kind, problem) problems[#problems + 1] = { id, kind, problem } end)
end
return problems
