-- Record how a running call ended, if the token still holds it.
--
-- ARGV[1]  the token that holds the call
-- ARGV[2]  the output
-- ARGV[3]  the beginning of standard output, ARGV[4] of standard error
-- ARGV[5]  the kind of failure, or an empty string
-- ARGV[6]  the message of the failure, or an empty string
-- ARGV[7]  the limit of a func's outputs in bytes, ARGV[8] of its log
-- Returns  "ended" | "not held", also if repeated after "ended"

local id = held_by(ARGV[1])
if not id then
  return "not held"
end
end_call(id, {ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]}, tonumber(ARGV[7]), tonumber(ARGV[8]))
return "ended"
