-- include: keys
-- Tells those who wait for a job that it has ended: its status on the job's channel. Only while somebody
-- waits for any job (watch.lua says so), and one look at that serves the whole call.

local waited

local function ended(job, status)
  if waited == nil then waited = redis.call('EXISTS', keys.waited()) == 1 end
  -- pcall: a server whose ACL forbids channels must not stop the transition in the middle.
  if waited then redis.pcall('PUBLISH', keys.done(job.id), status) end
end

local notice = { ended = ended }
