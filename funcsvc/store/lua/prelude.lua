-- The beginning of every script: the clock, and the changes that several scripts make.
--
-- store/scripts.py puts a line for each key before it, from RedisKeys.for_scripts: FUNC, CALL, QUEUE,
-- COUNTS, CALLS, OUTPUTS, ROTATED, LOGS, DONE, KILLS and IMAGE_REMOVAL are followed by the name of a func,
-- or the id of a call, engine or image; ARRIVALS, READY, DELAYED, RUNNING, OWNERS, INSTANCES, WORKERS, WAKE, FUNCS, REMOVING and
-- STORED_BYTES are whole keys.

local MAX_WAKES = 64
local MAX_ROTATED = 10000
local MAX_ROTATED_AT_ONCE = 100   -- so that a lowered limit doesn't make one script long
local DONE_MS = 10000
local CALL_OVERHEAD_BYTES = 1024  -- memory that a call takes besides its payload or its output
local EVENT_OVERHEAD_BYTES = 96
local MAX_TRIMMED = 64            -- per new event
local MAX_DUE = 100               -- delayed calls that one reservation makes pending again
local MAX_DELAY_MS = 60000

local time = redis.call("TIME")
local NOW = time[1] * 1000 + math.floor(time[2] / 1000)

-- Write, but change nothing. When its memory is full, Redis refuses a script's first write if that can
-- take memory, but no later write. Renewing, beginning, ending and removing calls must work even then.
local function allow_full_memory()
  redis.call("HDEL", OWNERS, "")
end

local function count(name, field, by)
  return redis.call("HINCRBY", COUNTS .. name, field, by)
end

-- Count what the payload and the environment of a call that hasn't ended take: of its func, and in all.
local function count_stored(name, by)
  if by ~= 0 then  -- Lua writes a negative zero as -0, which Redis doesn't take for a number
    count(name, "stored_bytes", by)
    redis.call("INCRBY", STORED_BYTES, by)
  end
end

-- A func without pending or running calls stores nothing. What is counted nonetheless is of calls that an
-- older version has ended, which didn't count.
local function settle_stored(name)
  local pending, running, left =
    unpack(redis.call("HMGET", COUNTS .. name, "pending", "running", "stored_bytes"))
  if tonumber(pending or 0) + tonumber(running or 0) == 0 then
    count_stored(name, -(left or 0))
  end
end

local function size_of(fields)
  local bytes = EVENT_OVERHEAD_BYTES
  for _, field in ipairs(fields) do
    bytes = bytes + #field
  end
  return bytes
end

-- Append events. The oldest are dropped if the log exceeds its limit, but never the newest one.
local function log_events(name, max_log_bytes, events)
  local logs, newest, bytes = LOGS .. name, nil, 0
  for _, fields in ipairs(events) do
    newest = redis.call("XADD", logs, "*", unpack(fields))
    bytes = bytes + size_of(fields)
  end
  local excess = count(name, "log_bytes", bytes) - max_log_bytes
  if excess <= 0 then
    return
  end
  local freed, dropped = 0, {}
  for _, entry in ipairs(redis.call("XRANGE", logs, "-", "+", "COUNT", MAX_TRIMMED * #events)) do
    if freed >= excess or entry[1] == newest then
      break
    end
    freed = freed + size_of(entry[2])
    dropped[#dropped + 1] = entry[1]
  end
  if freed > 0 then
    redis.call("XDEL", logs, unpack(dropped))
    count(name, "log_bytes", -freed)
  end
end

local function log_event(name, max_log_bytes, fields)
  log_events(name, max_log_bytes, {fields})
end

local function wake_a_worker()
  if redis.call("LLEN", WAKE) < MAX_WAKES then
    redis.call("RPUSH", WAKE, "1")
  end
end

-- Wake the requests that wait for a call: it has "ended", or was "removed" before its end.
local function tell_waiters(id, what)
  redis.call("RPUSH", DONE .. id, what)
  redis.call("PEXPIRE", DONE .. id, DONE_MS)
end

-- Make a func ready if it has a pending call and is below its limit; otherwise make it not ready.
local function settle_ready(name)
  local oldest = redis.call("ZRANGE", QUEUE .. name, 0, 0, "WITHSCORES")
  local limit, running = unpack(redis.call("HMGET", COUNTS .. name, "limit", "running"))
  limit = tonumber(limit or 0)
  if oldest[1] and (limit == 0 or tonumber(running or 0) < limit) then
    redis.call("ZADD", READY, oldest[2], name)
    return true
  end
  redis.call("ZREM", READY, name)
  return false
end

-- Take a running call away from the worker that holds it.
local function drop_hold(id)
  local token, instance = unpack(redis.call("HMGET", CALL .. id, "token", "instance"))
  redis.call("ZREM", RUNNING, id)
  if token then
    redis.call("HDEL", OWNERS, token)
  end
  if instance then
    redis.call("HDEL", INSTANCES, instance)
  end
  redis.call("HDEL", CALL .. id, "token", "instance", "nonce", "engine", "begun_ms")
end

-- Put a running call back: it is pending again, but isn't ready before a delay that doubles with each
-- attempt, so that one that can never begin takes no slot from others.
local function put_back(id, first_delay_ms, max_log_bytes)
  local name, attempt = unpack(redis.call("HMGET", CALL .. id, "func", "attempt"))
  local delay_ms = math.min(first_delay_ms * 2 ^ (attempt - 1), MAX_DELAY_MS)
  drop_hold(id)
  redis.call("HDEL", CALL .. id, "waited")
  redis.call("HSET", CALL .. id, "status", "Pending")
  redis.call("ZADD", DELAYED, NOW + delay_ms, id)
  count(name, "running", -1)
  count(name, "pending", 1)
  log_event(name, max_log_bytes, {"event", "PENDING", "call", id})
  if settle_ready(name) then  -- its func might have been at its limit
    wake_a_worker()
  end
end

-- Remove a func's oldest ended calls until the rest is within the limit.
local function rotate_outputs(name, max_output_bytes)
  local kept = tonumber(redis.call("HGET", COUNTS .. name, "output_bytes") or 0)
  for _ = 1, MAX_ROTATED_AT_ONCE do
    if kept <= max_output_bytes then
      break
    end
    local oldest = redis.call("ZPOPMIN", OUTPUTS .. name)
    if not oldest[1] then
      break
    end
    local bytes = redis.call("HSTRLEN", CALL .. oldest[1], "output") + CALL_OVERHEAD_BYTES
    redis.call("UNLINK", CALL .. oldest[1], DONE .. oldest[1])
    redis.call("ZREM", CALLS .. name, oldest[1])
    redis.call("ZADD", ROTATED .. name, oldest[2], oldest[1])
    kept = count(name, "output_bytes", -bytes)
  end
  redis.call("ZREMRANGEBYRANK", ROTATED .. name, 0, -MAX_ROTATED - 1)
end

-- End a running call: outcome = {output, short_stdout, short_stderr, failure, message}.
local function end_call(id, outcome, max_output_bytes, max_log_bytes)
  local output, short_stdout, short_stderr, failure, message = unpack(outcome)
  local name, stored_bytes = unpack(redis.call("HMGET", CALL .. id, "func", "stored_bytes"))
  local status = failure == "" and "Finished" or "Failed"
  drop_hold(id)
  count_stored(name, -(stored_bytes or 0))
  redis.call("HDEL", CALL .. id, "payload", "environment", "stored_bytes")
  redis.call("HSET", CALL .. id, "status", status, "output", output, "failure", failure,
    "message", message)
  count(name, "running", -1)
  settle_stored(name)
  count(name, status == "Finished" and "finished" or "failed", 1)
  local finished, failed = unpack(redis.call("HMGET", COUNTS .. name, "finished", "failed"))
  redis.call("ZADD", OUTPUTS .. name, tonumber(finished or 0) + tonumber(failed or 0), id)
  count(name, "output_bytes", #output + CALL_OVERHEAD_BYTES)
  log_event(name, max_log_bytes, {"event", string.upper(status), "call", id,
    "stdout", short_stdout, "stderr", short_stderr, "message", message})
  rotate_outputs(name, max_output_bytes)
  tell_waiters(id, "ended")
  if settle_ready(name) then
    wake_a_worker()
  end
end

-- Return the id of the call that a token holds, or nil: a late owner's token holds nothing.
local function held_by(token)
  return redis.call("HGET", OWNERS, token)
end
