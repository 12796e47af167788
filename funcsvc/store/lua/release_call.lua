-- Put a call that can't have begun back, behind what is ready and after a delay.
--
-- ARGV[1]  the token that holds the call
-- ARGV[2]  the delay after the first attempt in ms
-- ARGV[3]  the limit of a func's log in bytes
-- Returns  "released" | "not held"

local id = held_by(ARGV[1])
if not id then
  return "not held"
end
put_back(id, tonumber(ARGV[2]), tonumber(ARGV[3]))
return "released"
