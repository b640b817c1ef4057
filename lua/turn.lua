-- PURPOSE  A worker's turn: ends the attempts that it has finished, then claims up to `want` more jobs; when there is none, it may register as waiting on its inbox, as park does.
-- KEYS     tag
-- ARGV     worker, lease_ms, want, slots, park_ms, types_count, types..., outcomes...
--          slots = how many jobs the worker runs at once; types_count 0 = any type
--          park_ms = for how long it waits when nothing is claimed; 0 = it doesn't, since it holds other jobs
-- each     job_id, token, ending, payload, traceback, retry_delay_ms, max_retries
--          ending 'completed' with the result (msgpack) as payload, 'failed' with the error, or 'postponed' with the reason: tried again after the delay, as if it had not been started
--          the last three only matter for 'failed', and retry_delay_ms for 'postponed'
-- RETURNS  {now, words, jobs}, both packed (msgpack): a word for each outcome, as complete and fail return; jobs as of claim
--          and, when it is registered as waiting, {..., wait_ms} as of park
-- MOVES    as complete, fail and claim do; else the worker into parked
-- AGAIN    the outcomes are "already"; it claims more, or finds the worker parked, so the client sends it again with want = 0 only
-- COST     O((outcomes + want) * log n)
-- include: keys, clock, batch, lanes, record, place, finish, start

local worker, lease_ms, want, slots, park_ms, types_count = unpack(ARGV, 1, 6)
want, slots, types_count = tonumber(want), tonumber(slots), tonumber(types_count)

local function end_attempt(first)
  local job_id, token, ending, payload, traceback, retry_delay_ms, max_retries = unpack(ARGV, first, first + 6)
  if ending == 'completed' and place.holds(worker, job_id) then
    local held = record.read_held(job_id, worker, token)
    if held then return finish.complete(held, token, token, payload) end
  end
  local job = record.read(job_id)
  if not job and place.holds(worker, job_id) then
    -- include here: quarantine
    place.leave({ id = job_id, worker = worker })
    if quarantine.look(job_id) then return 'failed' end
  end
  local refusal = finish.refusal(job, token, token)
  if refusal then return refusal end
  if ending == 'completed' then return finish.complete(job, token, token, payload) end
  -- include here: again
  if ending == 'postponed' then return again.postpone(job, payload, tonumber(retry_delay_ms)) end
  return again.fail(job, token, token, payload, traceback, tonumber(retry_delay_ms), tonumber(max_retries))
end

local FIELDS, first_outcome = 7, 7 + types_count
local words = {}
if #ARGV >= first_outcome then
  place.pop(worker, (#ARGV - first_outcome + 1) / FIELDS)
  for first = first_outcome, #ARGV, FIELDS do words[#words + 1] = end_attempt(first) end
  place.put_back(worker)
  -- As handoff.flush does, which is defined only where an attempt has failed.
  lanes.flush()
  batch.flush()
end

local jobs, until_due = {}, nil
if want > 0 then
  local types = start.list_from(7, 6 + types_count)
  local more_may_wait = start.claim(worker, start.deadline_after(lease_ms), want, slots, types, jobs)
  batch.flush()
  local is_idle = #jobs == 0 and not more_may_wait and park_ms ~= '0'
  -- What its lists hold it doesn't know of, or another call of its reports just now: then it is for park.
  if is_idle and redis.call('EXISTS', keys.processing(worker), keys.inbox(worker)) == 0 then
    -- include here: idle
    until_due = idle.park(worker, types, park_ms)
  end
end
return { NOW, cmsgpack.pack(words), cmsgpack.pack(jobs), until_due }
