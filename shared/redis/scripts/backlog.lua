-- How far the workers of one shard are behind. A script, so that the oldest push's body does not travel.
--
-- KEYS[1] pushes
-- Returns { pushes in the log, oldest stream ID or '' }.

local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
return { redis.call('XLEN', KEYS[1]), first and first[1] or '' }
