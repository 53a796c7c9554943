-- How far the workers of one shard are behind. A script, so that the oldest push's body does not travel.
--
-- KEYS[1] pushes
-- Returns { pushes in the log, about their bytes in memory, oldest stream ID or '' }.

local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
local length = redis.call('XLEN', KEYS[1])
return { length, length > 0 and redis.call('MEMORY', 'USAGE', KEYS[1], 'SAMPLES', 100) or 0, first and first[1] or '' }
