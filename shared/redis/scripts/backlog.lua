-- How far the workers of one shard are behind. A script, so that the oldest push's body does not travel.
--
-- KEYS[1] pushes   KEYS[2] dead   ARGV[1] consumer group
-- Returns { pushes in the log, pushes pending, oldest stream ID or '', dead letters }.

local pending = redis.pcall('XPENDING', KEYS[1], ARGV[1])
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
return {
  redis.call('XLEN', KEYS[1]),
  -- There is no consumer group before the first worker.
  pending.err and 0 or pending[1],
  first and first[1] or '',
  redis.call('XLEN', KEYS[2]),
}
