-- Moves the oldest push of a shard from the log to the dead letters, after merge.lua has failed with it several times.
--
-- KEYS[1]  pushes   stream: the log
-- KEYS[2]  dead     stream: the dead letters
-- KEYS[3]  changes  stream
-- ARGV[1]  reason
-- ARGV[2]  number of attempts
--
-- Returns the stream ID that the push had in the log, '' if the log is empty.

-- Checked before the first write, because the script cannot roll back.
for _, key in ipairs(KEYS) do
  local found = redis.call('TYPE', key).ok
  if found ~= 'stream' and found ~= 'none' then
    local mismatch = key .. ' holds a ' .. found .. ', not a stream'
    return redis.error_reply('WRONGTYPE ' .. mismatch .. ': is the prefix shared with others?')
  end
end

local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
if not oldest then return '' end
redis.call('XDEL', KEYS[1], oldest[1])

local fields = { 'entry', oldest[1], 'reason', ARGV[1], 'attempts', ARGV[2] }
-- At most 4000 names and values, because `unpack` fails near 8000. Our pushes have few.
for i = 1, math.min(#oldest[2], 4000) do fields[6 + i] = oldest[2][i] end
redis.call('XADD', KEYS[2], '*', unpack(fields))

for i = 1, #oldest[2], 2 do
  if oldest[2][i] == 'id' then
    redis.call('XADD', KEYS[3], '*', 'pushes', oldest[2][i + 1] .. ':x', 'groups', '')
    break
  end
end
return oldest[1]
