-- Remove a func and all that is its own.
--
-- KEYS[1]  the func's key
-- KEYS[2]  the index of funcs
-- ARGV[1]  the func's name
-- ARGV[2]  the deadline by this server's clock, as in create_func.lua
-- Returns  {"deleted" | "missing" | "late", this server's time in ms since the epoch}

local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)

if now > tonumber(ARGV[2]) then
  return {"late", now}
end
if redis.call("DEL", KEYS[1]) == 0 then
  return {"missing", now}
end
redis.call("ZREM", KEYS[2], ARGV[1])
return {"deleted", now}
