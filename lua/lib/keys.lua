-- Every key name of a shard. Python's keys.py repeats the few that it needs; a test compares them.
-- Names carry the shard's hash tag first, so no tenant, user, type or id can move a key to another
-- slot; a name with two free strings carries the length of the first, so none can pose as another.

local TAG = KEYS[1]

local keys = {
  -- string: the last submission number
  seq = function() return TAG .. 'seq' end,

  -- zset: every job, score = band of its status + seq
  index = function() return TAG .. 'index' end,

  -- hash: user -> the company of its first job
  homes = function() return TAG .. 'homes' end,

  -- zset: delayed and retrying jobs, score = due time (ms)
  scheduled = function() return TAG .. 'scheduled' end,

  -- zset: jobs in a worker's hands, score = lease deadline (ms)
  leases = function() return TAG .. 'leases' end,

  -- zset: chunks of 64 seqs, score = no job in it expires before (ms)
  expiry = function() return TAG .. 'expiry' end,

  -- set: job types with a waiting job in a lane
  types = function() return TAG .. 'types' end,

  -- zset: registered workers, score = alive until (ms)
  workers = function() return TAG .. 'workers' end,

  -- zset: workers blocked on their inbox, score = until (ms)
  parked = function() return TAG .. 'parked' end,

  -- hash: the schema version (Python's connect reads and writes it)
  meta = function() return TAG .. 'meta' end,

  -- string: there while somebody waits for jobs to end
  waited = function() return TAG .. 'waited' end,

  -- channel: where it is said that the job has ended, and how
  done = function(id) return TAG .. 'done:' .. id end,

  -- hash: the job's record
  job = function(id) return TAG .. 'job:' .. id end,

  -- zset: waiting jobs of one company, type and priority, score as in an index; lists them for the company
  lane = function(priority, job_type, company) return TAG .. 'lane:' .. priority .. ':' .. #job_type .. ':' .. job_type .. ':' .. company end,

  -- zset: companies with a waiting job of this type and priority, score = turn
  ring = function(priority, job_type) return TAG .. 'ring:' .. priority .. ':' .. job_type end,

  -- zset: parked workers that serve this type ('' = any type), score = until (ms), below zero
  parked_for = function(job_type) return TAG .. 'parked:' .. job_type end,

  -- list: jobs handed to a parked worker
  inbox = function(worker) return TAG .. 'inbox:' .. worker end,

  -- list: jobs that a worker holds
  processing = function(worker) return TAG .. 'processing:' .. worker end,

  -- hash: what a worker says of itself
  worker = function(worker) return TAG .. 'worker:' .. worker end,

  -- channel: what a worker is told while it runs a job: `<token> <job id>` = cancelled
  tell = function(worker) return TAG .. 'tell:' .. worker end,

  -- any of these, by its name without the tag: what the doctor looks at
  named = function(name) return TAG .. name end,

  -- any type: a damaged key, set aside at a time (ms) for an operator to look at
  quarantine = function(at, name) return TAG .. 'quarantine:' .. at .. ':' .. name end,

  -- zset: finished jobs of one terminal status, score = finish time (ms)
  finished = function(status) return TAG .. status end,

  -- zsets, as index: the jobs of one company that aren't in its lanes; of one user in its home company; of one
  -- user in other companies; of one user in one company that isn't its home
  index_company = function(company) return TAG .. 'index:company:' .. company end,
  index_user = function(user) return TAG .. 'index:user:' .. user end,
  index_away = function(user) return TAG .. 'index:away:' .. user end,
  index_both = function(company, user) return TAG .. 'index:both:' .. #company .. ':' .. company .. ':' .. user end,
}
