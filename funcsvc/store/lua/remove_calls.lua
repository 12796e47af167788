-- Remove some calls of a deleted func, and what else it has once no call is left. Who waits for a call
-- that hasn't ended is told, and the containers of running calls are listed to be killed.
--
-- ARGV[1]  the func's name
-- ARGV[2]  the maximum number of calls
-- Returns  "done" | "more"

local MAX_KILLS = 10000           -- for one engine
local KILLS_MS = 86400000
local name, max_calls = ARGV[1], tonumber(ARGV[2])

local function kill(engine, instance)
  local kills = KILLS .. engine
  redis.call("RPUSH", kills, instance)
  redis.call("LTRIM", kills, -MAX_KILLS, -1)
  redis.call("PEXPIRE", kills, KILLS_MS)
end

local function remove(id)
  local status, stored_bytes, engine, instance =
    unpack(redis.call("HMGET", CALL .. id, "status", "stored_bytes", "engine", "instance"))
  if status == "Running" then
    drop_hold(id)
    if instance then
      kill(engine, instance)
    end
  end
  redis.call("UNLINK", CALL .. id, DONE .. id)
  redis.call("ZREM", DELAYED, id)
  if status == "Pending" or status == "Running" then
    count_stored(name, -(stored_bytes or 0))
    tell_waiters(id, "removed")
  end
end

allow_full_memory()
if not redis.call("ZSCORE", REMOVING, name) then
  return "done"
end
local ids = redis.call("ZRANGE", CALLS .. name, 0, max_calls - 1)
for _, id in ipairs(ids) do
  remove(id)
end
redis.call("ZREMRANGEBYRANK", CALLS .. name, 0, max_calls - 1)
if #ids == max_calls then
  return "more"
end
count_stored(name, -(redis.call("HGET", COUNTS .. name, "stored_bytes") or 0))
redis.call("UNLINK", QUEUE .. name, CALLS .. name, OUTPUTS .. name, ROTATED .. name, LOGS .. name,
  COUNTS .. name)
redis.call("ZREM", REMOVING, name)
return "done"
