-- PURPOSE  Doctor's mend, from the records: what check_jobs finds of these jobs is put right, as the record says.
-- KEYS     tag
-- ARGV     job_ids...
-- RETURNS  {job_id, kind, problem, what was done}...
-- MOVES    PENDING -> FAILED, PROCESSING -> FAILED: a damaged record, from where it says it is -> failed; PENDING stays: in no place or in several -> scheduled, inbox or lane; PROCESSING stays: -> its worker's processing list
-- AGAIN    finds nothing to mend
-- COST     O(job_ids * (log n + length of its worker's lists))
-- include: go_on, checkup, mends

-- By the names that checkup.lua gives them.
local MENDS = {
  give_lease = mends.give_lease, renew_lease = mends.renew_lease, drop_lease = mends.drop_lease, leave = mends.leave,
  hold = mends.hold, schedule = mends.schedule, settle = mends.settle,
  join_ring = mends.join_ring, add_type = mends.add_type, unlist = mends.unlist, finish = mends.finish, list = mends.list,
  settle_home = mends.settle_home, watch = mends.watch, quarantine = mends.quarantine,
}

local mended = {}
for _, id in ipairs(ARGV) do
  checkup.examine(id, function(kind, problem, mend, job, besides)
    mended[#mended + 1] = { id, kind, problem, MENDS[mend](job, besides) }
  end)
end
return mended
