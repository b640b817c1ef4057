-- PURPOSE  A worker gives back jobs that it has claimed and not started: another can run them sooner.
-- KEYS     tag
-- ARGV     worker, held...
-- each     job_id, token
-- RETURNS  ids given back
-- MOVES    PROCESSING -> PENDING: processing list and leases -> inbox of another or lane
-- AGAIN    what is not this attempt's any more is left alone
-- COST     O(held * log n)
-- include: record, handoff, again

local worker = unpack(ARGV, 1, 1)

local given_back = {}
for first = 2, #ARGV, 2 do
  local job = record.read(ARGV[first])
  if job and job.status == 'processing' and job.worker == worker
    and record.token(job) == ARGV[first + 1] then
    again.give_back(job, 'released')
    given_back[#given_back + 1] = job.id
  end
end
handoff.flush()
return given_back
