-- Moves a dead letter to the end of the log, as a new push.
--
-- KEYS[1]  pushes   stream: the log
-- KEYS[2]  dead     stream: the dead letters
-- ARGV[1]  stream ID of the dead letter
-- ARGV[2]  arrival, ms since the epoch
-- ARGV[3]  new push ID
--
-- Returns 1, or 0 if there is no such dead letter.

local found = redis.call('XRANGE', KEYS[2], ARGV[1], ARGV[1])[1]
if not found then return 0 end
local replaced = { at = ARGV[2], id = ARGV[3], since = '' }
local left_out = { entry = true, reason = true, attempts = true }
local fields = {}
for i = 1, #found[2], 2 do
  local name = found[2][i]
  if not left_out[name] then
    fields[#fields + 1] = name
    fields[#fields + 1] = replaced[name] or found[2][i + 1]
  end
end
redis.call('XADD', KEYS[1], '*', unpack(fields))
redis.call('XDEL', KEYS[2], ARGV[1])
return 1
