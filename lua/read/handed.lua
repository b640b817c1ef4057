-- PURPOSE  Shows a worker the job that its BLMOVE has just brought. Sent behind that, it is carried out with it.
-- KEYS     tag
-- ARGV     worker
-- RETURNS  {now, job_id, record} of what stands last in its processing list; nothing when nothing does
-- MOVES    nothing
-- COST     O(1)
-- include: keys, clock

local worker = unpack(ARGV)
local id = redis.call('LINDEX', keys.processing(worker), '-1')
if not id then return {} end
local flat = redis.pcall('HGETALL', keys.job(id)) -- pcall: whether the record is sound is for adopt to say
return { NOW, id, flat.err and {} or flat }
