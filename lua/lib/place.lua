-- include: keys, batch, lanes
-- Takes an unfinished job out of the one place that it is in.

-- Ids that `pop` took off the head of a worker's processing list: id -> worker.
local popped, order = {}, {}

-- A worker ends jobs in the order in which it holds them: one command takes as many off the list as
-- it reports, instead of one for each. What isn't `leave`ing goes back with put_back.
local function pop(worker, count)
  order = redis.call('LPOP', keys.processing(worker), string.format('%d', count)) or {}
  for _, id in ipairs(order) do popped[id] = worker end
end

-- Whether the worker's processing list held the id among those.
local function holds(worker, id) return popped[id] == worker end

local function put_back(worker)
  for i = #order, 1, -1 do
    if popped[order[i]] then redis.call('LPUSH', keys.processing(worker), order[i]) end
  end
  popped, order = {}, {}
end

local function leave(job)
  if job.worker then
    -- A write that needs no memory goes first: at maxmemory the server then lets the rest through.
    if popped[job.id] == job.worker then
      popped[job.id] = nil
    elseif redis.call('LREM', keys.processing(job.worker), '1', job.id) == 0 then
      redis.call('LREM', keys.inbox(job.worker), '1', job.id)
    end
    batch.zrem(keys.leases(), job.id)
  elseif redis.call('ZREM', keys.scheduled(), job.id) == 0 then
    lanes.remove(job)
  end
end

local place = { leave = leave, pop = pop, holds = holds, put_back = put_back }
