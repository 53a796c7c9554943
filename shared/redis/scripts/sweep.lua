-- Takes groups that are past their deadline out of the index. Redis has forgotten their hashes by itself by then, or will
-- within moments.
--
-- KEYS[1] groups (index)   ARGV[1] most groups
-- Returns the number of groups forgotten.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now), 'LIMIT', 0, ARGV[1])
for _, id in ipairs(due) do redis.call('ZREM', KEYS[1], id) end
return #due
