-- PURPOSE  A page of jobs, newest first, with any mix of filters.
-- KEYS     tag
-- ARGV     company, user, before_seq, limit, statuses...
--          '' = any company, any user, from the newest on
-- RETURNS  {job_id, record}..., packed (msgpack), or a number when more types than that wait and would have to be looked at
-- MOVES    nothing
-- COST     O((statuses + types) * (log n + limit)); types: those that wait, for a company's PENDING jobs only
-- include: keys, index, lanes

local MOST_TYPES = 1000

-- Nothing is read: by this command, which nothing but a listing needs, the server's access rules refuse
-- listings to producers and workers (faciliter_jobs/acl.py).
redis.call('ZREVRANGEBYSCORE', keys.index(), '-inf', '-inf', 'LIMIT', 0, 0)

local company, user, before_seq, limit = unpack(ARGV, 1, 4)
limit = tonumber(limit)
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
for i = 5, #ARGV do
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

local jobs = {}
for i = 1, math.min(limit, #found) do
  local flat = redis.pcall('HGETALL', keys.job(found[i].id))
  if flat.err then flat = {} end -- something else in its place: a page is not spoiled by it
  -- The number that the index has, for the next page, whatever has become of the record's own.
  flat[#flat + 1], flat[#flat + 2] = 'seq', string.format('%.0f', found[i].seq)
  jobs[i] = { found[i].id, flat }
end
return cmsgpack.pack(jobs)
