-- Delete a call whose output was delivered.
--
-- ARGV[1]  the call's id
-- Returns  "deleted" | "missing", also if it hasn't ended

local id = ARGV[1]
local name, status = unpack(redis.call("HMGET", CALL .. id, "func", "status"))
if status ~= "Finished" and status ~= "Failed" then
  return "missing"
end
allow_full_memory()
count(name, "output_bytes", -redis.call("HSTRLEN", CALL .. id, "output") - CALL_OVERHEAD_BYTES)
redis.call("UNLINK", CALL .. id, DONE .. id)
redis.call("ZREM", CALLS .. name, id)
redis.call("ZREM", OUTPUTS .. name, id)
return "deleted"
