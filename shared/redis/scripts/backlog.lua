-- Measures the backlog of a shard. A script, so that no body of a push is sent.
--
-- KEYS[1]  pushes   stream: the log
--
-- Returns { number of pushes, approximate size in memory in bytes, stream ID of the oldest, of the newest }, '' if
-- empty.

local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local length = redis.call('XLEN', KEYS[1])
local bytes = length > 0 and redis.call('MEMORY', 'USAGE', KEYS[1], 'SAMPLES', 100) or 0
return { length, bytes, first and first[1] or '', last and last[1] or '' }
