-- Give a worker the oldest pending call of all funcs that are ready, and mark it as running. A func that
-- has its share of the worker's slots comes after all others.
--
-- ARGV[1]   the new token; if it already holds a call, that call is returned again
-- ARGV[2]   the lease in ms
-- ARGV[3]   the limit of a func's log in bytes
-- ARGV[4…]  the funcs that have their share of the worker's slots
-- Returns   nil, or {id, func's name, definition, attempt, environment, payload}

local token = ARGV[1]
local id = held_by(token)

-- Calls whose delay is over go behind everything that is ready.
local function queue_due()
  for _, due in ipairs(redis.call("ZRANGEBYSCORE", DELAYED, "-inf", NOW, "LIMIT", 0, MAX_DUE)) do
    local name = redis.call("HGET", CALL .. due, "func")
    redis.call("ZREM", DELAYED, due)
    if name and redis.call("EXISTS", FUNC .. name) == 1 then  -- not if it is being removed
      redis.call("ZADD", QUEUE .. name, redis.call("INCR", ARRIVALS), due)
      settle_ready(name)
    end
  end
end

local function next_func()
  local has_its_share = {}
  for index = 4, #ARGV do
    has_its_share[ARGV[index]] = true
  end
  local ready = redis.call("ZRANGE", READY, 0, #ARGV - 3)
  for _, name in ipairs(ready) do
    if not has_its_share[name] then
      return name
    end
  end
  return ready[1]
end

allow_full_memory()
if not id then
  queue_due()
  local name = next_func()
  if not name then
    return nil
  end
  id = redis.call("ZPOPMIN", QUEUE .. name)[1]
  redis.call("HSET", CALL .. id, "status", "Running", "token", token)
  redis.call("HINCRBY", CALL .. id, "attempt", 1)
  redis.call("HSET", OWNERS, token, id)
  count(name, "pending", -1)
  count(name, "running", 1)
  log_event(name, tonumber(ARGV[3]), {"event", "RUNNING", "call", id})
  settle_ready(name)
  if redis.call("EXISTS", READY) == 1 and redis.call("EXISTS", WAKE) == 0 then
    wake_a_worker()  -- raising a limit made several calls ready at once
  end
end
redis.call("ZADD", RUNNING, NOW + tonumber(ARGV[2]), id)
local name, attempt, environment, payload =
  unpack(redis.call("HMGET", CALL .. id, "func", "attempt", "environment", "payload"))
local definition = redis.call("GET", FUNC .. name)
return definition and {id, name, definition, tonumber(attempt), environment, payload}
