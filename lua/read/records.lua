-- PURPOSE  Whole records, for the doctor to see whether their payloads can be read.
-- KEYS     tag
-- ARGV     max_bytes, job_ids...
--          max_bytes = the reply ends with the record that reaches it
-- RETURNS  {job_id, record}...: of the first of these ids, one at least
-- MOVES    nothing
-- COST     O(job_ids + bytes)
-- include: keys

local max_bytes = unpack(ARGV, 1, 1)
max_bytes = tonumber(max_bytes)

local records, size = {}, 0
for i = 2, #ARGV do
  local flat = redis.pcall('HGETALL', keys.job(ARGV[i]))
  if flat.err then flat = {} end
  for _, part in ipairs(flat) do size = size + #part end
  records[#records + 1] = { ARGV[i], flat }
  if size >= max_bytes then break end
end
return records
