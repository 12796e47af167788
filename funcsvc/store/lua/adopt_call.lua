-- Deal with calls whose lease has expired: those that can't have begun are put back, those that began on
-- an engine that has had no worker for too long fail, and one that began on this engine is taken over.
-- Calls of a func that is being removed are left to its removal.
--
-- ARGV[1]  the new token; if it already holds a call, that call is returned again
-- ARGV[2]  the engine of the worker that asks
-- ARGV[3]  the lease in ms
-- ARGV[4]  how long an engine can be without a worker, in ms
-- ARGV[5]  the message for a call whose engine is gone
-- ARGV[6]  the limit of a func's outputs in bytes, ARGV[7] of its log
-- ARGV[8]  the delay of a call that is put back after its first attempt, in ms
-- Returns  nil, or {id, definition, attempt, container, nonce, ms since it began}

local MAX_CHANGED = 200           -- so that Redis soon serves others
local token, engine, gone_ms = ARGV[1], ARGV[2], tonumber(ARGV[4])
local max_output_bytes, max_log_bytes = tonumber(ARGV[6]), tonumber(ARGV[7])

local function has_worker(wanted)
  for _, worker in ipairs(redis.call("ZRANGEBYSCORE", WORKERS, NOW - gone_ms, "+inf")) do
    if string.match(worker, "@(.*)$") == wanted then
      return true
    end
  end
  return false
end

local function definition_of(id)
  return redis.call("GET", FUNC .. redis.call("HGET", CALL .. id, "func"))
end

local function describe(id)
  local attempt, instance, nonce, begun_ms =
    unpack(redis.call("HMGET", CALL .. id, "attempt", "instance", "nonce", "begun_ms"))
  return {id, definition_of(id), tonumber(attempt), instance, nonce, NOW - tonumber(begun_ms)}
end

local function take(id)
  local before = redis.call("HGET", CALL .. id, "token")
  redis.call("HDEL", OWNERS, before)
  redis.call("HSET", OWNERS, token, id)
  redis.call("HSET", CALL .. id, "token", token)
  redis.call("ZADD", RUNNING, NOW + tonumber(ARGV[3]), id)
  return describe(id)
end

local held = held_by(token)
if held then
  return definition_of(held) and describe(held)
end
redis.call("ZREMRANGEBYSCORE", WORKERS, "-inf", NOW - math.max(gone_ms, 60000) * 10)
local expired = redis.call("ZRANGEBYSCORE", RUNNING, "-inf", NOW, "WITHSCORES")
local changed = 0
for index = 1, #expired, 2 do
  local id, lease_end = expired[index], tonumber(expired[index + 1])
  local its_engine = redis.call("HGET", CALL .. id, "engine")
  if not definition_of(id) then
    -- left to the removal
  elseif not its_engine then
    put_back(id, tonumber(ARGV[8]), max_log_bytes)
    changed = changed + 1
  elseif its_engine == engine then
    return take(id)
  elseif NOW - lease_end > gone_ms and not has_worker(its_engine) then
    end_call(id, {"", "", "", "failed", ARGV[5]}, max_output_bytes, max_log_bytes)
    changed = changed + 1
  end
  if changed == MAX_CHANGED then
    break  -- the rest is left to the next request, since Redis serves no other one meanwhile
  end
end
return nil
