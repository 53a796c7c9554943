-- Moves one push from the log to the dead letters: it was delivered too often, or cannot be applied.
--
-- KEYS[1] pushes   KEYS[2] dead   KEYS[3] changes
-- ARGV[1] consumer group   ARGV[2] stream ID   ARGV[3] reason   ARGV[4] deliveries
-- ARGV[5] oldest change to keep: a stream ID for MINID
-- Returns 1, or 0 when the push was not ours any more.

if redis.call('XACK', KEYS[1], ARGV[1], ARGV[2]) == 0 then return 0 end
local found = redis.call('XRANGE', KEYS[1], ARGV[2], ARGV[2])
redis.call('XDEL', KEYS[1], ARGV[2])
if not found[1] then return 0 end

local fields = found[1][2]
-- Our pushes have a dozen fields. Whoever wrote one with thousands finds the first of them: `unpack` fails near 8000.
local n = math.min(#fields, 4000)
for i = n + 1, #fields do fields[i] = nil end
fields[n + 1], fields[n + 2] = 'entry', ARGV[2]
fields[n + 3], fields[n + 4] = 'reason', ARGV[3]
fields[n + 5], fields[n + 6] = 'deliveries', ARGV[4]
redis.call('XADD', KEYS[2], '*', unpack(fields))

for i = 1, n, 2 do
  if fields[i] == 'id' then
    redis.call('XADD', KEYS[3], 'MINID', '~', ARGV[5], '*', 'pushes', fields[i + 1] .. ':x', 'groups', '')
  end
end
return 1
