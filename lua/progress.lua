-- PURPOSE  Records how far a job is.
-- KEYS     tag
-- ARGV     job_id, token, progress, message, backwards, company
--          token '' = called from outside a handler; message '' = leave it; backwards '1' = the number may fall
--          company = whose job it must be, else it is 'missing' ('' = anyone's)
-- RETURNS  'updated', or a refusal: 'missing', 'finished', 'stale'
-- MOVES    nothing
-- AGAIN    sets the same values
-- COST     O(1)
-- include: go_on, keys, clock, record

local job_id, token, progress, message, backwards, company = unpack(ARGV)
local job = record.read_of(company, job_id)
if not job then return 'missing' end
if token ~= '' then
  if job.status ~= 'processing' or record.token(job) ~= token then return 'stale' end
elseif not record.is_live(job) then
  return 'finished'
end

if backwards ~= '1' then
  local reached = tonumber(redis.call('HGET', keys.job(job_id), 'progress') or nil) or 0
  progress = math.max(reached, tonumber(progress))
end
redis.call('HSET', keys.job(job_id), 'progress', progress, 'updated_at', NOW)
if message ~= '' then redis.call('HSET', keys.job(job_id), 'progress_message', message) end
return 'updated'
