-- Put a call whose command can't have begun back to where it was in the queue.
--
-- ARGV[1]  the token that holds the call
-- ARGV[2]  the bound of a func's log in bytes
-- Returns  "released" | "not held"

local id = held_by(ARGV[1])
if not id then
  return "not held"
end
back_to_pending(id, tonumber(ARGV[2]))
return "released"
