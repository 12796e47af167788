-- wrk's script: each request creates a func of a name that was never used before.
-- Arguments behind wrk's `--`: the beginning of the names, and the image. Without them, the request
-- is a plain GET of the URL.
-- wrk runs it in one thread, so that one counter makes the names unique.

local head = "POST /funcs/create HTTP/1.1\r\nHost: %s:%s\r\nContent-Type: application/json\r\nContent-Length: "
local body_start, body_end
local count = 0
local plain

function init(args)
  if #args == 0 then
    plain = wrk.format("GET")
    return
  end
  head = string.format(head, wrk.host, wrk.port)
  body_start = '{"Name": "' .. args[1] .. "-"
  body_end = '", "Config": {"Cmd": ["echo", "HelloWorld"], "Image": "' .. args[2] .. '"}}'
end

function request()
  if plain then
    return plain
  end
  count = count + 1
  local body = body_start .. count .. body_end
  return head .. #body .. "\r\n\r\n" .. body
end

-- No response(): wrk counts statuses over 399 itself, and calls into Lua would cost its CPU.

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "seconds": %.6f, "p50_ms": %.4f, "p99_ms": %.4f, "bad_statuses": %d, "broken": %d}\n',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
