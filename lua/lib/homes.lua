-- include: keys
-- A user's home is the company of the first job that the queue knows of that user ('' = none).

local known

-- Whether a new job of this user belongs to another company than the user's home.
local function is_away(user, company)
  company = company or ''
  known = known or {}
  local home = known[user]
  if not home then
    home = redis.call('HGET', keys.homes(), user)
    if not home then
      redis.call('HSET', keys.homes(), user, company)
      home = company
    end
    known[user] = home
  end
  return home ~= company
end

-- The user has no job left in its home index: the next one may found another home.
local function forget_if_empty(user)
  if redis.call('EXISTS', keys.index_user(user)) == 0 then redis.call('HDEL', keys.homes(), user) end
end

local homes = { is_away = is_away, forget_if_empty = forget_if_empty }
