-- Different entries for wrk: ids and plates are numbered, and each start of wrk begins at another number.
local number = (os.time() % 100000) * 1000000
local headers = { ["Content-Type"] = "application/json" }

request = function()
  number = number + 1
  local body = string.format(
    '{"id":"9b810e76-6ec9-4286-a3ca-%012d","vehicle_plate":"W%d","entry_date_time":"2024-09-24T%02d:%02d:00Z"}',
    number, number, number % 24, number % 60)
  return wrk.format("POST", "/api/v1/events", headers, body)
end

done = function(summary, latency, requests)
  local failed = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status
    + summary.errors.timeout
  io.write(string.format("RESULT %d %d %d %d\n", summary.requests, summary.duration, failed, latency:percentile(99)))
end
