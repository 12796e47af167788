-- Record the container in which a call is about to begin. Its frame is sent only after "begun".
--
-- ARGV[1]  the token that holds the call
-- ARGV[2]  the engine
-- ARGV[3]  the name of the container
-- ARGV[4]  the nonce of the frame
-- ARGV[5]  1 if the container was waiting before the call came, otherwise 0
-- Returns  "begun" | "not held"

local id = held_by(ARGV[1])
if not id then
  return "not held"
end
allow_full_memory()
local before = redis.call("HGET", CALL .. id, "instance")
if before then
  redis.call("HDEL", INSTANCES, before)
end
redis.call("HSET", CALL .. id, "engine", ARGV[2], "instance", ARGV[3], "nonce", ARGV[4],
  "begun_ms", NOW, "waited", ARGV[5])
redis.call("HSET", INSTANCES, ARGV[3], id)
return "begun"
