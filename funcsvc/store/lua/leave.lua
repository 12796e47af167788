-- Sign a worker off, so that other workers can take over the calls that it still holds at once.
--
-- ARGV[1]   the worker, `<worker>@<engine>`
-- ARGV[2…]  the tokens of the calls that it leaves running
-- Returns   how many of these calls it held

local left = 0
redis.call("ZREM", WORKERS, ARGV[1])
for index = 2, #ARGV do
  local id = held_by(ARGV[index])
  if id then
    redis.call("ZADD", RUNNING, NOW, id)
    left = left + 1
  end
end
return left
