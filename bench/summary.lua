-- The last line of wrk's output as JSON, for bench/harness/loads.py. Latencies in microseconds, from when each request
-- was really sent: in a closed loop nothing waits to be sent.

function done(summary, latency, _)
    local errors = summary.errors
    io.write(string.format('\n{"requests":%d,"microseconds":%d,"refused":%d,"broken":%d,"p50":%d,"p99":%d,"max":%d}\n',
        summary.requests, summary.duration, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
        latency:percentile(50), latency:percentile(99), latency.max))
end
