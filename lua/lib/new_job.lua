-- include: keys, clock, homes, payload
-- A new job's record, from the fields of ARGV that submit and submit_one name.

local FIELDS = 7

local function put(fields, name, value)
  local n = #fields
  fields[n + 1], fields[n + 2] = name, value
end

-- What few jobs have. Returns when the job is due.
local function put_more(job, fields, more)
  local given = cmsgpack.unpack(more)
  for _, name in ipairs({ 'session', 'max_retries', 'retry_delay_ms', 'priority', 'timeout_ms' }) do
    if given[name] then put(fields, name, given[name]) end
  end
  payload.add(fields, 'metadata', given.metadata or '')
  job.priority = given.priority and string.format('%d', given.priority)
  local due_at = given.run_at_ms or NOW + (given.delay_ms or 0)
  if due_at > NOW then put(fields, 'due_at', due_at) end
  return due_at
end

-- Writes the record of the job whose fields begin at ARGV[first]; returns the job, and when it is due.
local function create(first, seq)
  local id, job_type, company, user, input, ttl_ms, more = unpack(ARGV, first, first + 6)
  local job = { id = id, key = keys.job(id), type = job_type, seq = seq }
  -- With room for what most have: a table that grows is copied each time.
  local fields = { 'status', 'pending', 'type', job_type, 'seq', seq, 'at', STAMP, 'ttl', ttl_ms, nil, nil, nil, nil, nil, nil, nil, nil }
  if company ~= '' then
    job.co = company
    put(fields, 'co', company)
  end
  if user ~= '' then
    job.u = user
    put(fields, 'u', user)
    if homes.is_away(user, company) then
      job.away = '1'
      put(fields, 'away', '1')
    end
  end
  payload.add(fields, 'in', input)
  local due_at = more ~= '' and put_more(job, fields, more) or NOW
  redis.call('HSET', job.key, unpack(fields))
  return job, due_at
end

local new_job = { create = create, FIELDS = FIELDS }
