-- Delete a func. Its calls, outputs and events go afterwards, by remove_calls.lua; until they have gone,
-- the name stays taken.
--
-- ARGV[1]  the func's name
-- ARGV[2]  "1" to delete it even if it has pending or running calls
-- ARGV[3]  the deadline by this server's clock, as in create_func.lua
-- Returns  {"deleted" | "missing" | "busy" | "late", this server's time in ms since the epoch}

local name = ARGV[1]

if NOW > tonumber(ARGV[3]) then
  return {"late", NOW}
end
if redis.call("EXISTS", FUNC .. name) == 0 then
  return {redis.call("ZSCORE", REMOVING, name) and "deleted" or "missing", NOW}
end
local pending, running = unpack(redis.call("HMGET", COUNTS .. name, "pending", "running"))
if ARGV[2] ~= "1" and tonumber(pending or 0) + tonumber(running or 0) > 0 then
  return {"busy", NOW}
end
redis.call("UNLINK", FUNC .. name, QUEUE .. name)
redis.call("ZREM", FUNCS, name)
redis.call("ZREM", READY, name)
redis.call("ZADD", REMOVING, NOW, name)
return {"deleted", NOW}
