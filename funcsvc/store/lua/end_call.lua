-- Record how a running call ended, unless somebody else holds it by now.
--
-- ARGV[1]  the token that holds the call
-- ARGV[2]  the output
-- ARGV[3]  the beginning of standard output, ARGV[4] of standard error
-- ARGV[5]  the kind of failure, or nothing
-- ARGV[6]  the message of the failure, or nothing
-- ARGV[7]  the bound of a func's outputs in bytes, ARGV[8] of its log
-- Returns  "ended" | "not held"; repeated after "ended" it is "not held", too

local id = held_by(ARGV[1])
if not id then
  return "not held"
end
end_call(id, {ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]}, tonumber(ARGV[7]), tonumber(ARGV[8]))
return "ended"
