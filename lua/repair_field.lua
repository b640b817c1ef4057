-- PURPOSE  Doctor's mend, of a field that can't be read: it is set aside as `quarantine:<time>:job:<id>` for a week; a job that waits becomes FAILED with the reason, one that has ended stays as it ended.
-- KEYS     tag
-- ARGV     job_id, field, sha1, reason
--          field = in, metadata, result or the name of a plain field; sha1 (hex) = of the bytes that can't be read, so that no others are taken for them
-- RETURNS  what was done, '' when the record has changed or the job is PROCESSING (its worker decides)
-- MOVES    PENDING -> FAILED: lane, scheduled or inbox -> failed
-- AGAIN    ''
-- COST     O(size of the field + log n)
-- include: go_on, keys, batch, record, finish, quarantine

local job_id, field, sha1, reason = unpack(ARGV)

-- The names of the pieces that the field is stored in, and their values.
local function pieces()
  local names, values = {}, {}
  local name = field
  while true do
    local value = redis.call('HGET', keys.job(job_id), name)
    if not value then return names, values end
    names[#names + 1], values[#values + 1] = name, value
    name = field .. #names
  end
end

local job = record.read(job_id)
if not job or job.status == 'processing' then return '' end
local names, values = pieces()
if redis.sha1hex(table.concat(values)) ~= sha1 then return '' end

local damage = 'damaged record: ' .. reason
if job.status == 'pending' then
  finish.terminal(job, 'failed', { 'error', damage, 'last_op', finish.other(job, 'damaged') })
  batch.flush()
else
  redis.call('HSETNX', job.key, 'error', damage)
end
local aside = quarantine.keep(job_id, names, values)
if field == 'type' then redis.call('HSET', job.key, 'type', 'unknown') end
return job.status .. ', its ' .. field .. ' set aside as ' .. aside
