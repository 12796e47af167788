-- Put a new definition in the place of the one that it was made from, if that is still there.
--
-- KEYS[1]  the func's key
-- KEYS[2]  the index of funcs (not changed)
-- ARGV[1]  the definition as it was read
-- ARGV[2]  the definition as it shall be
-- ARGV[3]  the deadline by this server's clock, as in create_func.lua
-- Returns  {"updated" | "changed" | "late", this server's time in ms since the epoch}

local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)

if now > tonumber(ARGV[3]) then
  return {"late", now}
end
if redis.call("GET", KEYS[1]) ~= ARGV[1] then
  return {"changed", now}
end
redis.call("SET", KEYS[1], ARGV[2])
return {"updated", now}
