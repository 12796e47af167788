-- Accept a call: store it, queue it, count it, log it. Unless it returns "created", it writes nothing,
-- or corrects the count of stored bytes.
--
-- ARGV[1]   the func's name
-- ARGV[2]   the UUID in the call's URL; the func might have been replaced since, with another UUID
-- ARGV[3]   the call's id
-- ARGV[4]   the payload
-- ARGV[5]   the environment of the request
-- ARGV[6]   the payload's beginning, for the event
-- ARGV[7]   the maximum number of the func's running calls, or 0 for no limit
-- ARGV[8]   the maximum number of its pending calls
-- ARGV[9]   the maximum bytes that its calls take before they end, ARGV[10] that all calls take
-- ARGV[11]  the limit of a func's log in bytes
-- ARGV[12]  the deadline by this server's clock, as in create_func.lua
-- Returns   {"created" | "missing" | "full" | "func bytes" | "all bytes" | "late", this server's time in
--           ms since the epoch}

local name, uuid, id = ARGV[1], ARGV[2], ARGV[3]

if redis.call("EXISTS", CALL .. id) == 1 then
  return {"created", NOW}  -- the request was sent again
end
if NOW > tonumber(ARGV[12]) then
  return {"late", NOW}
end
local definition = redis.call("GET", FUNC .. name)
if not definition or cjson.decode(definition).UUID ~= uuid then
  return {"missing", NOW}
end
local pending, limit, func_bytes =
  unpack(redis.call("HMGET", COUNTS .. name, "pending", "limit", "stored_bytes"))
if tonumber(pending or 0) == 0 and tonumber(func_bytes or 0) ~= 0 then
  settle_stored(name)
  func_bytes = redis.call("HGET", COUNTS .. name, "stored_bytes")
end
local bytes = #ARGV[4] + #ARGV[5] + CALL_OVERHEAD_BYTES
if tonumber(pending or 0) >= tonumber(ARGV[8]) then
  return {"full", NOW}
elseif tonumber(func_bytes or 0) + bytes > tonumber(ARGV[9]) then
  return {"func bytes", NOW}
elseif tonumber(redis.call("GET", STORED_BYTES) or 0) + bytes > tonumber(ARGV[10]) then
  return {"all bytes", NOW}
end

local number = redis.call("INCR", ARRIVALS)
redis.call("HSET", CALL .. id, "func", name, "number", number, "created_ms", NOW,
  "status", "Pending", "attempt", 0, "payload", ARGV[4], "environment", ARGV[5], "stored_bytes", bytes)
local has_queue = redis.call("EXISTS", QUEUE .. name) == 1
redis.call("ZADD", QUEUE .. name, number, id)
redis.call("ZADD", CALLS .. name, number, id)
local has_new_limit = limit ~= ARGV[7]
if has_new_limit then
  redis.call("HSET", COUNTS .. name, "limit", ARGV[7])
end
count(name, "total", 1)
count(name, "pending", 1)
count_stored(name, bytes)
log_events(name, tonumber(ARGV[11]), {
  {"event", "CALL", "call", id, "stdin", ARGV[6]},
  {"event", "PENDING", "call", id},
})
-- behind other pending calls, the func's readiness doesn't change, but a worker might have a free slot
if (has_queue and not has_new_limit) or settle_ready(name) then
  wake_a_worker()
end
return {"created", NOW}
