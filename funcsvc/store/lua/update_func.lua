-- Put a new definition in the place of the one that it was made from, if that is still there.
--
-- ARGV[1]  the func's name
-- ARGV[2]  the definition as it was read
-- ARGV[3]  the definition as it shall be
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
