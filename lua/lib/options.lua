-- include: clock, payload
-- What few jobs are given: the field `more` of ARGV that submit and submit_one name.

local NAMES = { 'session', 'max_retries', 'retry_delay_ms', 'priority', 'timeout_ms', 'due_at' }

-- Appends them to the record's fields. Returns when the job is due, and its priority (nil = 0).
local function put_options(fields, more)
  local given = cmsgpack.unpack(more)
  local due_at = given.run_at_ms or NOW + (given.delay_ms or 0)
  given.due_at = due_at > NOW and due_at or nil
  for _, name in ipairs(NAMES) do
    if given[name] then
      local n = #fields
      fields[n + 1], fields[n + 2] = name, given[name]
    end
  end
  payload.add(fields, 'metadata', given.metadata or '')
  return due_at, given.priority and string.format('%d', given.priority)
end

local options = { put = put_options }
