-- wrk's script. What is behind wrk's `--` says which requests it makes:
--   create <names> <image>   POST /funcs/create, each a func of a name that was never used before
--   post <bytes>             POST the URL with a body of so many bytes
--   nothing                  GET the URL
-- wrk runs it in one thread, so that one counter makes the names unique.

local head, before_name, after_name, same
local count = 0

function init(args)
  if args[1] == "create" then
    head = "POST /funcs/create HTTP/1.1\r\nHost: " .. wrk.host .. ":" .. wrk.port
      .. "\r\nContent-Type: application/json\r\nContent-Length: "
    before_name = '{"Name": "' .. args[2] .. "-"
    after_name = '", "Config": {"Cmd": ["echo", "HelloWorld"], "Image": "' .. args[3] .. '"}}'
  elseif args[1] == "post" then
    same = wrk.format("POST", nil, nil, string.rep("x", tonumber(args[2])))
  else
    same = wrk.format("GET")
  end
end

function request()
  if same then return same end
  count = count + 1
  local body = before_name .. count .. after_name
  return head .. #body .. "\r\n\r\n" .. body
end

-- No response(): wrk counts statuses over 399 itself, and calls into Lua would cost its CPU.
function done(summary, latency)
  local errors = summary.errors
  local bad = errors.status + errors.connect + errors.read + errors.write + errors.timeout
  local p50, p99 = latency:percentile(50) / 1e3, latency:percentile(99) / 1e3
  local form = '{"requests": %d, "seconds": %.6f, "p50_ms": %.4f, "p99_ms": %.4f, "bad": %d}\n'
  io.write(string.format(form, summary.requests, summary.duration / 1e6, p50, p99, bad))
end
