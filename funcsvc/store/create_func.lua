-- Store a new func under its name, or say why not. Nothing is written but with the answer "created".
--
-- KEYS[1]  the func's key
-- KEYS[2]  the index of funcs
-- ARGV[1]  the definition, JSON
-- ARGV[2]  the func's name
-- ARGV[3]  when it was created, ms since the epoch
-- ARGV[4]  the deadline by this server's clock, ms since the epoch: a request that a stalled server
--          comes to when its client has given up and answered an error must not be stored
-- Returns  {"created" | "exists" | "late", this server's time in ms since the epoch}

local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)

if now > tonumber(ARGV[4]) then
  return {"late", now}
end
if not redis.call("SET", KEYS[1], ARGV[1], "NX") then
  return {"exists", now}
end
redis.call("ZADD", KEYS[2], ARGV[3], ARGV[2])
return {"created", now}
