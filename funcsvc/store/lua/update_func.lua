-- Replace a definition, if it is still the one that the new definition was made from.
--
-- ARGV[1]  the func's name
-- ARGV[2]  the definition that was read
-- ARGV[3]  the new definition
-- ARGV[4]  the deadline by this server's clock, as in create_func.lua
-- Returns  {"updated" | "changed" | "late", this server's time in ms since the epoch}

if NOW > tonumber(ARGV[4]) then
  return {"late", NOW}
end
if redis.call("GET", FUNC .. ARGV[1]) ~= ARGV[2] then
  return {"changed", NOW}
end
redis.call("SET", FUNC .. ARGV[1], ARGV[3])
return {"updated", NOW}
