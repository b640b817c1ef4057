-- PURPOSE  A page of jobs, newest first, with any mix of filters.
-- KEYS     tag
-- ARGV     company, user, before_seq, limit, max_bytes, statuses...
--          '' = any company, any user, from the newest on; max_bytes = the page ends with the record that reaches it
-- RETURNS  {next_before, {job_id, record}...}, packed (msgpack): next_before = the before_seq of the next page, 0 when this is the last; or a number when more types than that wait and would have to be looked at
-- MOVES    nothing
-- COST     O((statuses + types) * (log n + limit) + bytes); types: those that wait, for a company's PENDING jobs only. A user's PENDING or PROCESSING jobs without the other: limit is 200 at least here, and the pages together look at all jobs that run (of the company, when one is named)
-- include: keys, index

local MOST_TYPES = 1000
local LOOKS = 200

-- Nothing is read: by this command, which nothing but a listing needs, the server's access rules refuse this
-- script to producers and workers (faciliter_jobs/acl.py). Commands of their own they can't keep from reading.
redis.call('ZREVRANGEBYSCORE', keys.index(), '-inf', '-inf', 'LIMIT', 0, 0)

local company, user, before_seq, limit, max_bytes = unpack(ARGV, 1, 5)
limit, max_bytes = tonumber(limit), tonumber(max_bytes)
if limit == 0 then return cmsgpack.pack({ 0, {} }) end
local before = tonumber(before_seq ~= '' and before_seq or 1e13)

local wanted = {} -- as a set
for i = 6, #ARGV do wanted[ARGV[i]] = true end

-- A user's index doesn't tell what runs from what waits (decision 30). Who wants one without the other gets what
-- the records say, of as many as may be looked at in one call.
local is_by_record = user ~= '' and wanted.pending ~= wanted.processing
local most = is_by_record and math.max(limit, LOOKS) or limit

local found = {}
local from = 0 -- what was submitted before is on a later page, by what has been found so far

local function keep_the_newest()
  table.sort(found, function(a, b) return a.seq > b.seq end)
  for i = #found, most + 1, -1 do found[i] = nil end
  if #found == most then from = found[most].seq end
end

local function add(key, status)
  local page = index.newest(key, status, before, from, most)
  for i = 1, #page, 2 do found[#found + 1] = { id = page[i], seq = tonumber(page[i + 1]) } end
  if #found > 3 * most then keep_the_newest() end
end

-- The company's waiting jobs that its index doesn't have (decision 21). Whether it can be told.
local function add_lanes()
  local types = redis.call('SRANDMEMBER', keys.types(), MOST_TYPES + 1) -- all, unless they are more
  if #types > MOST_TYPES then return false end
  for _, job_type in ipairs(types) do add(keys.lane('0', job_type, company), 'pending') end
  return true
end

local index_keys = index.keys_for(company, user)
local running_keys = index_keys
if user ~= '' then running_keys = wanted.pending and {} or index.keys_for(company, '') end -- {}: found as PENDING
for status in pairs(wanted) do
  if status == 'pending' and company ~= '' and user == '' and not add_lanes() then return MOST_TYPES end
  for _, key in ipairs(status == 'processing' and running_keys or index_keys) do add(key, status) end
end
keep_the_newest()

local function is_wanted(id)
  if not is_by_record then return true end
  local seen = redis.pcall('HMGET', keys.job(id), 'status', 'u')
  return wanted[seen[1]] and seen[2] == user
end

-- {id, record}, and the record's size; by the number that the index has, for the next page, whatever has become of
-- the record's own.
local function read(entry)
  local flat, size = redis.pcall('HGETALL', keys.job(entry.id)), 0
  if flat.err then flat = {} end -- something else in its place: a page is not spoiled by it
  for _, part in ipairs(flat) do size = size + #part end
  flat[#flat + 1], flat[#flat + 2] = 'seq', string.format('%.0f', entry.seq)
  return { entry.id, flat }, size
end

local jobs, size, looked = {}, 0, 0
while looked < #found and #jobs < limit and size < max_bytes do
  looked = looked + 1
  if is_wanted(found[looked].id) then
    local job, bytes = read(found[looked])
    jobs[#jobs + 1], size = job, size + bytes
  end
end
local is_last = looked == #found and #found < most
return cmsgpack.pack({ is_last and 0 or found[looked].seq, jobs })
