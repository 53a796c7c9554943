-- Forgets groups that are past their deadline, and tombstones, once no push older than them is pending in the log (see
-- merge.lua: such a push could bring back what they had removed).
--
-- KEYS[1] pushes   KEYS[2] groups (index)   KEYS[3..] the groups' hashes
-- ARGV[1] consumer group   ARGV[2..] the group IDs, in the order of the hashes
-- Returns the number of groups forgotten.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local pending = redis.call('XPENDING', KEYS[1], ARGV[1])
local oldest
if pending[1] > 0 then
  local ms, sequence = string.match(pending[2], '(%d+)%-(%d+)')
  oldest = string.format('%014d-%010d', ms, sequence)
end

local forgotten = 0
for i = 3, #KEYS do
  local id = ARGV[i - 1]
  local deadline = tonumber(redis.call('ZSCORE', KEYS[2], id))
  if deadline and deadline <= now then
    local meta = redis.call('HMGET', KEYS[i], 'top', 'floor', 'failedStamp')
    local top, floor, failed = meta[1] or '', meta[2] or '', meta[3] or ''
    if not oldest or (oldest > top and oldest > floor and oldest > failed) then
      redis.call('DEL', KEYS[i])
      redis.call('ZREM', KEYS[2], id)
      forgotten = forgotten + 1
    end
  end
end
return forgotten
