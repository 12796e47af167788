-- Give a worker the oldest pending call of all funcs below their limit, and mark it as running.
--
-- ARGV[1]  the new token; if it already holds a call, that call is returned again
-- ARGV[2]  the lease in ms
-- ARGV[3]  the limit of a func's log in bytes
-- Returns  nil, or {id, definition, attempt, environment, payload}

local token = ARGV[1]
local id = held_by(token)

allow_full_memory()
if not id then
  local name = redis.call("ZRANGE", READY, 0, 0)[1]
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
return {id, redis.call("GET", FUNC .. name), tonumber(attempt), environment, payload}
