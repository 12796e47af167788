-- Delete a func with everything that belongs to it, unless it has pending or running calls.
--
-- ARGV[1]  the func's name
-- ARGV[2]  the deadline by this server's clock, as in create_func.lua
-- Returns  {"deleted" | "missing" | "busy" | "late", this server's time in ms since the epoch}

local name = ARGV[1]

if NOW > tonumber(ARGV[2]) then
  return {"late", NOW}
end
if redis.call("EXISTS", FUNC .. name) == 0 then
  return {"missing", NOW}
end
local pending, running = unpack(redis.call("HMGET", COUNTS .. name, "pending", "running"))
if tonumber(pending or 0) > 0 or tonumber(running or 0) > 0 then
  return {"busy", NOW}
end
for _, id in ipairs(redis.call("ZRANGE", CALLS .. name, 0, -1)) do
  redis.call("UNLINK", CALL .. id, DONE .. id)
end
redis.call("UNLINK", FUNC .. name, CALLS .. name, OUTPUTS .. name, ROTATED .. name, LOGS .. name,
  COUNTS .. name)
redis.call("ZREM", FUNCS, name)
return {"deleted", NOW}
