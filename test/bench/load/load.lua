-- Pushes for wrk: PUTs to random groups, as fast as answers arrive, or at a steady rate.
--
--   wrk … -s load.lua URL -- GROUPS BODIES-FILE RATE SEED
--
-- Prints the result as one line, `BENCH {json}`. Requests are concatenated from prepared pieces: the load generator
-- must be cheap, because it shares the machine with the servers that are measured.

local JOBS = 97
local groups, rate, bodies, heads

local ffi = require('ffi')
ffi.cdef [[
  typedef struct { long tv_sec; long tv_nsec; } bench_timespec;
  int clock_gettime(int clock, bench_timespec *now);
]]
local timespec = ffi.new('bench_timespec')

local function now_ms()
  ffi.C.clock_gettime(1, timespec)
  return tonumber(timespec.tv_sec) * 1000 + tonumber(timespec.tv_nsec) / 1e6
end

function init(args)
  groups, rate = tonumber(args[1]), tonumber(args[3])
  math.randomseed(tonumber(args[4]))
  local file = assert(io.open(args[2], 'rb'))
  bodies, heads = {}, {}
  for body in string.gmatch(file:read('*a'), '%Z+') do
    bodies[#bodies + 1] = body
    heads[#heads + 1] = ' HTTP/1.1\r\nHost: bench\r\nContent-Type: text/plain\r\nContent-Length: ' .. #body .. '\r\n\r\n'
  end
  file:close()
end

local count = 0
function request()
  local group = math.random(0, groups - 1)
  count = count + 1
  local i = count % #bodies + 1
  return 'PUT /metrics/job/batch-' .. group % JOBS .. '/instance/host-' .. group .. heads[i] .. bodies[i]
end

-- The schedule of the whole thread: a connection that is late for its turn sends at once.
local turn
function delay()
  if rate == 0 then return 0 end
  local now = now_ms()
  turn = math.max((turn or now) + 1000 / rate, now - 100)
  return math.max(0, math.floor(turn - now))
end

function done(summary, latency, _)
  local e = summary.errors
  io.write(string.format(
    'BENCH {"requests":%d,"us":%d,"refused":%d,"broken":%d,"p50us":%d,"p99us":%d,"maxus":%d}\n', summary.requests,
    summary.duration, e.status, e.connect + e.read + e.write + e.timeout, latency:percentile(50), latency:percentile(99),
    latency.max))
end
