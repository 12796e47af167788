-- Store a new func. Writes only if it returns "created".
--
-- ARGV[1]  the definition, JSON
-- ARGV[2]  the func's name
-- ARGV[3]  its creation time, ms since the epoch
-- ARGV[4]  the id of its image
-- ARGV[5]  the deadline by this server's clock, ms since the epoch; after it, the client has given up
--          and answered with an error, so nothing must be stored
-- Returns  {"created" | "exists" | "removing" | "image" | "late", this server's time in ms since the epoch};
--          "image" if that is being removed

local name = ARGV[2]

if NOW > tonumber(ARGV[5]) then
  return {"late", NOW}
end
if redis.call("ZSCORE", REMOVING, name) then
  return {"removing", NOW}
end
if redis.call("EXISTS", IMAGE_REMOVAL .. ARGV[4]) == 1 then
  return {"image", NOW}
end
if not redis.call("SET", FUNC .. name, ARGV[1], "NX") then
  return {"exists", NOW}
end
redis.call("ZADD", FUNCS, ARGV[3], name)
return {"created", NOW}
