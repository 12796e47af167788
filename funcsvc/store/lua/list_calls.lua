-- Read a page of a func's calls, in the order in which they came.
--
-- ARGV[1]  the func's name
-- ARGV[2]  the number after which the page begins, 0 for the first
-- ARGV[3]  how many at the most
-- Returns  a list of {id, number, created_ms, status, message, "1" or "0" where it has begun, or ""}

local page = {}
local found = redis.call("ZRANGEBYSCORE", CALLS .. ARGV[1], "(" .. ARGV[2], "+inf",
  "LIMIT", 0, ARGV[3])
for _, id in ipairs(found) do
  local number, created_ms, status, message, waited =
    unpack(redis.call("HMGET", CALL .. id, "number", "created_ms", "status", "message", "waited"))
  page[#page + 1] = {id, tonumber(number), tonumber(created_ms), status, message or "",
    waited or ""}
end
return page
