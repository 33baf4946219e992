-- Requests for wrk, like those of many clients that watch one lot: alternates its newest sessions and the list of lots.
local headers = { ["Content-Type"] = "application/json" }
local requests = {}
local turn = 0

init = function(args)
  local fields = "sessionId lotId vehiclePlate entryDateTime exitDateTime dwellSeconds state updatedAt"
  local sessions = string.format("{ sessions(lotId: \\\"%s\\\", first: 100) { nodes { %s } } }", args[1], fields)
  for place, query in ipairs({ sessions, "{ lots { id kind capacity inside time } }" }) do
    requests[place] = wrk.format("POST", "/graphql", headers, string.format('{"query":"%s"}', query))
  end
end

request = function()
  turn = turn % #requests + 1
  return requests[turn]
end

done = function(summary, latency, requests)
  local failed = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status
    + summary.errors.timeout
  io.write(string.format("RESULT %d %d %d %d\n", summary.requests, summary.duration, failed, latency:percentile(99)))
end
