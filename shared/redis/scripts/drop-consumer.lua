-- Deletes a consumer that has nothing pending. XGROUP DELCONSUMER alone would discard what is pending.
--
-- KEYS[1] pushes   ARGV[1] consumer group   ARGV[2] consumer   ARGV[3] least idle time in ms
-- Returns 1 when it was deleted.

for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local about = {}
  for i = 1, #consumer, 2 do about[consumer[i]] = consumer[i + 1] end
  if about.name == ARGV[2] and about.pending == 0 and about.idle >= tonumber(ARGV[3]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
    return 1
  end
end
return 0
