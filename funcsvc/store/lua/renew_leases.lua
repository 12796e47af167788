-- Renew the leases of a worker and of the calls that it holds.
--
-- ARGV[1]   the worker, `<worker>@<engine>`
-- ARGV[2]   the lease in ms
-- ARGV[3…]  the tokens
-- Returns   the tokens that no longer hold a call

allow_full_memory()
local lease_end = NOW + tonumber(ARGV[2])
local without_call = {}
redis.call("ZADD", WORKERS, lease_end, ARGV[1])
for index = 3, #ARGV do
  local id = held_by(ARGV[index])
  if id then
    redis.call("ZADD", RUNNING, lease_end, id)
  else
    without_call[#without_call + 1] = ARGV[index]
  end
end
return without_call
