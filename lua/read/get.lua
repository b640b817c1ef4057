-- PURPOSE  One company's job, by id.
-- KEYS     tag
-- ARGV     job_id, company
-- RETURNS  the record; nothing when there is none of this id, or when it is another company's
-- MOVES    nothing
-- COST     O(1)
-- include: keys

local job_id, company = unpack(ARGV)
local key = keys.job(job_id)
if redis.call('HGET', key, 'co') ~= company then return {} end
return redis.call('HGETALL', key)
