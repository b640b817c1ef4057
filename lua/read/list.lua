-- PURPOSE  A page of jobs, newest first, with any mix of filters.
-- KEYS     tag
-- ARGV     company, user, before_seq, limit, max_bytes, statuses...
--          '' = any company, any user, from the newest on; max_bytes = the page ends with the record that reaches it
-- RETURNS  {is_cut, {job_id, record}...}, packed (msgpack): is_cut = 1 when it ended so and more was found; or a number when more types than that wait and would have to be looked at
-- MOVES    nothing
-- COST     O((statuses + types) * (log n + limit) + bytes); types: those that wait, for a company's PENDING jobs only
-- include: keys, index, lanes

local MOST_TYPES = 1000

-- Nothing is read: by this command, which nothing but a listing needs, the server's access rules refuse
-- listings to producers and workers (faciliter_jobs/acl.py).
redis.call('ZREVRANGEBYSCORE', keys.index(), '-inf', '-inf', 'LIMIT', 0, 0)

local company, user, before_seq, limit, max_bytes = unpack(ARGV, 1, 5)
limit, max_bytes = tonumber(limit), tonumber(max_bytes)
local before = tonumber(before_seq ~= '' and before_seq or 1e13)
local found = {}
local from = 0 -- what was submitted before is on a later page, by what has been found so far

local function sort_newest_first()
  table.sort(found, function(a, b) return a.seq > b.seq end)
end

local function forget_what_is_on_a_later_page()
  sort_newest_first()
  for i = #found, limit + 1, -1 do found[i] = nil end
  from = found[limit].seq
end

local function add(page)
  for i = 1, #page, 2 do found[#found + 1] = { id = page[i], seq = tonumber(page[i + 1]) } end
  if #found > 3 * limit then forget_what_is_on_a_later_page() end
end

local index_keys = index.keys_for(company, user)
for i = 6, #ARGV do
  if ARGV[i] == 'pending' and company ~= '' and user == '' then
    local types = redis.call('SRANDMEMBER', keys.types(), MOST_TYPES + 1) -- all, unless they are more
    if #types > MOST_TYPES then return MOST_TYPES end
    for _, job_type in ipairs(types) do
      add(lanes.newest(keys.lane('0', job_type, company), before, from, limit))
    end
  end
  for _, key in ipairs(index_keys) do add(index.newest(key, ARGV[i], before, from, limit)) end
end
sort_newest_first()

local jobs, size, last = {}, 0, math.min(limit, #found)
for i = 1, last do
  local flat = redis.pcall('HGETALL', keys.job(found[i].id))
  if flat.err then flat = {} end -- something else in its place: a page is not spoiled by it
  for _, part in ipairs(flat) do size = size + #part end
  -- The number that the index has, for the next page, whatever has become of the record's own.
  flat[#flat + 1], flat[#flat + 2] = 'seq', string.format('%.0f', found[i].seq)
  jobs[i] = { found[i].id, flat }
  if size >= max_bytes then break end
end
return cmsgpack.pack({ #jobs < last and 1 or 0, jobs })
