-- Read a page of a func's calls, in order of arrival.
--
-- ARGV[1]  the func's name
-- ARGV[2]  the arrival number after which the page begins, 0 for the first page
-- ARGV[3]  the maximum number of calls
-- Returns  a list of {id, number, created_ms, status, message, waited}, all of them strings, as JSON,
--          which the client reads several times as fast as Redis's own lists; waited is "1" if the
--          call's container was waiting for it, "0" if not, "" if the call hasn't begun

local page = {}
local found = redis.call("ZRANGEBYSCORE", CALLS .. ARGV[1], "(" .. ARGV[2], "+inf",
  "LIMIT", 0, ARGV[3])
for _, id in ipairs(found) do
  local number, created_ms, status, message, waited =
    unpack(redis.call("HMGET", CALL .. id, "number", "created_ms", "status", "message", "waited"))
  page[#page + 1] = {id, number, created_ms, status, message or "", waited or ""}
end
return cjson.encode(page)
