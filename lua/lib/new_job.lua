-- include: keys, clock, homes, payload
-- A new job's record, from the fields of ARGV that submit and submit_one name.

local FIELDS = 13

local function due_time(delay_ms, run_at_ms)
  if delay_ms ~= '' then return NOW + tonumber(delay_ms) end
  if run_at_ms ~= '' then return tonumber(run_at_ms) end
  return NOW
end

-- Writes the record of the job whose fields begin at ARGV[first]; returns the job, and when it is due.
local function create(first, seq)
  local id, job_type, company, user, session, input, metadata, ttl_ms, max_retries, retry_delay_ms,
    delay_ms, run_at_ms, priority = unpack(ARGV, first, first + 12)
  local job = { id = id, key = keys.job(id), type = job_type, seq = seq, priority = priority }
  local fields = { 'status', 'pending', 'type', job_type, 'seq', seq, 'at', STAMP, 'ttl', ttl_ms }
  local n = 10
  local function put(name, value)
    fields[n + 1], fields[n + 2] = name, value
    n = n + 2
  end

  if company ~= '' then
    job.company = company
    put('company', company)
  end
  if user ~= '' then
    job.user = user
    put('user', user)
    if homes.is_away(user, company) then
      job.away = '1'
      put('away', '1')
    end
  end
  local due_at = due_time(delay_ms, run_at_ms)
  if due_at > NOW then put('due_at', due_at) end
  if session ~= '' then put('session', session) end
  if max_retries ~= '' then put('max_retries', max_retries) end
  if retry_delay_ms ~= '' then put('retry_delay_ms', retry_delay_ms) end
  if priority ~= '0' then put('priority', priority) end
  payload.add(fields, 'in', input)
  payload.add(fields, 'metadata', metadata)
  redis.call('HSET', job.key, unpack(fields))
  return job, due_at
end

local new_job = { create = create, FIELDS = FIELDS }
