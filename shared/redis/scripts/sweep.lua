-- Removes groups that are past their deadline from the index. Redis expires their hashes by itself.
--
-- KEYS[1]  groups   sorted set: the index of groups
-- ARGV[1]  most groups to remove
--
-- Returns the number of groups removed.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now), 'LIMIT', 0, ARGV[1])
for _, id in ipairs(due) do redis.call('ZREM', KEYS[1], id) end
return #due
