-- Moves the oldest push of a shard from the log to the dead letters: the merge of it failed as a whole, again and again.
--
-- KEYS[1] pushes   KEYS[2] dead   KEYS[3] changes
-- ARGV[1] reason   ARGV[2] attempts
-- Returns its stream ID, or '' when there is none.

-- Before anything is written: there is no way back.
for _, key in ipairs(KEYS) do
  local found = redis.call('TYPE', key).ok
  if found ~= 'stream' and found ~= 'none' then
    return redis.error_reply('WRONGTYPE ' .. key .. ' holds a ' .. found .. ', not a stream: is the prefix shared with others?')
  end
end

local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
if not oldest then return '' end
redis.call('XDEL', KEYS[1], oldest[1])

local fields = { 'entry', oldest[1], 'reason', ARGV[1], 'attempts', ARGV[2] }
-- Our pushes have a few fields. Whoever wrote one with thousands finds the first of them: `unpack` fails near 8000.
for i = 1, math.min(#oldest[2], 4000) do fields[6 + i] = oldest[2][i] end
redis.call('XADD', KEYS[2], '*', unpack(fields))

for i = 1, #oldest[2], 2 do
  if oldest[2][i] == 'id' then
    redis.call('XADD', KEYS[3], '*', 'pushes', oldest[2][i + 1] .. ':x', 'groups', '')
    break
  end
end
return oldest[1]
