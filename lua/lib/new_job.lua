-- include: keys, clock, homes, payload
-- A new job's record, from the fields of ARGV that submit and submit_one name.

local FIELDS = 7

-- Writes the record of the job whose fields begin at ARGV[first]; returns the job, and when it is due.
local function create(first, seq)
  local id, job_type, company, user, input, ttl_ms, more = unpack(ARGV, first, first + 6)
  -- With room for what most have: a table that grows is copied each time.
  local job = { id = id, key = keys.job(id), type = job_type, seq = seq, co = nil, u = nil }
  local fields = { 'status', 'pending', 'type', job_type, 'seq', seq, 'at', STAMP, 'ttl', ttl_ms, nil, nil, nil, nil, nil, nil, nil, nil }
  local n = 10
  if company ~= '' then
    job.co = company
    fields[n + 1], fields[n + 2] = 'co', company
    n = n + 2
  end
  if user ~= '' then
    job.u = user
    fields[n + 1], fields[n + 2] = 'u', user
    if homes.is_away(user, company) then
      job.away = '1'
      fields[n + 3], fields[n + 4] = 'away', '1'
    end
  end
  payload.add(fields, 'in', input)
  local due_at = NOW
  if more ~= '' then
    -- include here: options
    due_at, job.priority = options.put(fields, more)
  end
  redis.call('HSET', job.key, unpack(fields))
  return job, due_at
end

local new_job = { create = create, FIELDS = FIELDS }
