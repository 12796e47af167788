-- Put a call that can't have begun back in its place in the queue.
--
-- ARGV[1]  the token that holds the call
-- ARGV[2]  the limit of a func's log in bytes
-- Returns  "released" | "not held"

local id = held_by(ARGV[1])
if not id then
  return "not held"
end
back_to_pending(id, tonumber(ARGV[2]))
return "released"
