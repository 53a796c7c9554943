-- How far the workers of one shard are behind. A script, so that no push's body travels.
--
-- KEYS[1] pushes
-- Returns { pushes in the log, about their bytes in memory, oldest and newest stream ID, or '' }.

local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local length = redis.call('XLEN', KEYS[1])
local bytes = length > 0 and redis.call('MEMORY', 'USAGE', KEYS[1], 'SAMPLES', 100) or 0
return { length, bytes, first and first[1] or '', last and last[1] or '' }
