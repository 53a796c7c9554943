-- Applies a batch of pushes of one shard: acknowledges them, merges each into its group, records what changed.
--
-- A group is a last-writer-wins map; its fields are described in state/group-record.ts. A family carries the stamp of the
-- push that wrote it; the group's floor is the stamp of the newest PUT or DELETE: families below it are gone. So order and repetition do no harm: two workers, a redelivery
-- and a claim end in the same state. A push whose acknowledgement is not ours (another worker was first) is skipped.
--
-- XACK comes first: once a script has written, Redis lets it write on when memory is full. It has no way back either, so a
-- push whose merge fails (somebody put another type of key in a group's place) goes to the dead letters.
--
-- Nothing is physically forgotten (expiry, tombstone) while a push is still pending in the log that is older than the
-- newest one the group has seen: it could bring back what a newer one had removed. `oldest` decides that.
--
-- One thing does depend on the order: a group that has expired starts a new life without its old failure, and whether it has
-- expired is judged by what was merged until then.
--
-- KEYS[1] pushes   KEYS[2] groups (index)   KEYS[3] changes   KEYS[4] wiped   KEYS[5] dead   KEYS[6..] the groups' hashes
-- ARGV[1] consumer group
-- ARGV[2] oldest change to keep: a stream ID for MINID
-- ARGV[3] what a group's key is before its ID, for WIPE
-- ARGV[4] number of pushes, then for each push:
--           stream ID, stamp, push ID, since ('' or, for a push that was sent again because its first append had no
--           reply, the stream ID from which the first may be in the log), number of operations, then for each:
--             index into KEYS, group ID, verb (PUT POST DELETE FAIL WIPE), kind, labels, deadline in ms (0: never),
--             arrival in ms, number of families, then for each: name, value (starts with the stamp)
--
-- Returns for each push one letter: a applied, s superseded, d duplicate of one that was applied before, or will be,
-- n not ours any more.

local STAMP = 25
local pushes, index, changes, wiped_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
-- The floor of the whole shard: the stamp of the newest WIPE.
local wiped = redis.call('GET', wiped_key) or ''

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- Stamp of the oldest push that is not applied yet, in the log or in this batch; nil = none.
local oldest

local function hset(key, fields)
  for from = 1, #fields, 1000 do
    redis.call('HSET', key, unpack(fields, from, math.min(from + 999, #fields)))
  end
end

local function is_past(deadline)
  return deadline ~= 0 and deadline <= now
end

-- The later of two deadlines, where 0 is never.
local function later(a, b)
  if a == 0 or b == 0 then return 0 end
  return math.max(a, b)
end

-- The earlier of two deadlines.
local function sooner(a, b)
  if a == 0 then return b end
  if b == 0 then return a end
  return math.min(a, b)
end

-- The newer of two stamps, where '' is none.
local function newer(a, b)
  return a > b and a or b
end

local function text(ms)
  return string.format('%.0f', ms)
end

-- Sets the key's expiry and its place in the index. While older pushes are pending the hash stays, past its deadline,
-- until the sweep finds that nothing older is left.
local function keep_until(key, id, deadline, safe)
  if deadline == 0 then
    redis.call('PERSIST', key)
    redis.call('ZADD', index, '+inf', id)
  else
    if safe then redis.call('PEXPIREAT', key, text(deadline)) else redis.call('PERSIST', key) end
    redis.call('ZADD', index, text(deadline), id)
  end
end

-- The latest and the earliest deadline of the families in a group, nil where there is none. Where that is safe, those that
-- expired are removed.
local function measure(key, safe)
  local last, first
  local all = redis.call('HGETALL', key)
  for i = 1, #all, 2 do
    if string.sub(all[i], 1, 2) == 'f:' then
      local deadline = tonumber(string.match(all[i + 1], '^%S+ (%d+)'))
      if safe and is_past(deadline) then
        redis.call('HDEL', key, all[i])
      else
        last = last and later(last, deadline) or deadline
        first = first and sooner(first, deadline) or deadline
      end
    end
  end
  return last, first
end

-- Removes the families older than a PUT or DELETE that newer pushes have overtaken.
local function drop_older(key, stamp)
  local all = redis.call('HGETALL', key)
  for i = 1, #all, 2 do
    if string.sub(all[i], 1, 2) == 'f:' and string.sub(all[i + 1], 1, STAMP) < stamp then
      redis.call('HDEL', key, all[i])
    end
  end
end

-- Brings a group's end in line with what it holds: it lives as long as its newest push and the longest of its families.
-- A failure keeps it only when these had expired before; then its push time is gone too, marked by its sign, for an older
-- push with a longer TTL may still be pending and show that the group had lived on.
local function settle(op, group)
  local last, first = measure(op.key, group.safe)
  if group.pushed_until then last = last and later(last, group.pushed_until) or group.pushed_until end
  local fails_only = group.failed_stamp > group.top and (not last or is_past(last))
  if fails_only then last = group.failed_until end
  if group.pushed then
    local shown = math.abs(group.pushed)
    redis.call('HSET', op.key, 'pushed', text(fails_only and -shown or shown))
  end
  redis.call('HSET', op.key, 'until', text(last or now), 'soon', text(first or 0))
  keep_until(op.key, op.id, last or now, group.safe)
end

local function apply_failure(op, stamp, group)
  group.failed_stamp, group.failed_until = stamp, op.deadline
  hset(op.key, { 'kind', op.kind, 'labels', op.labels, 'failed', op.arrival, 'failedStamp', stamp,
    'failedUntil', text(op.deadline) })
  settle(op, group)
end

local function apply_delete(op, stamp, group)
  local key = op.key
  if group.top > stamp or group.failed_stamp > stamp then
    drop_older(key, stamp)
    if group.failed_stamp < stamp then
      redis.call('HDEL', key, 'failed', 'failedStamp', 'failedUntil')
    elseif group.top < stamp then
      redis.call('HDEL', key, 'top', 'pushed', 'pushedUntil')
      group.top, group.pushed, group.pushed_until = '', nil, nil
    end
    redis.call('HSET', key, 'floor', newer(group.floor, stamp), 'forgot', newer(group.forgot, stamp))
    settle(op, group)
    return
  end
  redis.call('DEL', key)
  if group.safe or stamp <= wiped then
    redis.call('ZREM', index, op.id)
  else
    -- A tombstone. Its place in the index, already past, leaves it to the sweep.
    redis.call('HSET', key, 'floor', stamp, 'forgot', stamp)
    redis.call('ZADD', index, text(now), op.id)
  end
end

-- A PUT or POST that is the newest push of its group.
local function apply_newest(op, stamp, group)
  local key, fields, n = op.key, op.fields, #op.fields
  local has_families = n > 0
  local function set(name, value)
    fields[n + 1], fields[n + 2] = name, value
    n = n + 2
  end
  local was_alive = group.live_until and not is_past(group.live_until)
  -- The push times live as long as their group: a new life starts without them.
  local keeps_failure = group.failed and (was_alive or group.failed_stamp > stamp)
  if group.failed and not keeps_failure then
    redis.call('HDEL', key, 'failed', 'failedStamp', 'failedUntil')
    group.forgot, group.failed_stamp = newer(group.forgot, group.failed_stamp), ''
  end

  local live_until, soon = op.deadline, op.deadline
  local is_exact = group.failed_stamp < stamp
  if op.verb == 'PUT' then
    redis.call('DEL', key)
    set('floor', stamp)
    if keeps_failure then
      set('failed', group.failed)
      set('failedStamp', group.failed_stamp)
      set('failedUntil', text(group.failed_until))
    end
  else
    -- While every push has the same TTL its deadline is the group's latest; only a shorter one makes us look.
    soon = has_families and sooner(group.soon, op.deadline) or group.soon
    if group.live_until and later(group.live_until, op.deadline) ~= op.deadline then is_exact = false end
    if group.safe and is_past(soon) then is_exact = false end
    if group.pushed_until and has_families then redis.call('HDEL', key, 'pushedUntil') end
  end
  group.top, group.pushed, group.pushed_until = stamp, tonumber(op.arrival), nil
  if not has_families then
    group.pushed_until = op.deadline
    set('pushedUntil', text(op.deadline))
  end
  set('kind', op.kind)
  set('labels', op.labels)
  set('top', stamp)
  set('pushed', op.arrival)
  set('until', text(live_until))
  set('soon', text(soon))
  if group.forgot ~= '' and not group.safe then set('forgot', group.forgot) end
  hset(key, fields)
  if is_exact then keep_until(key, op.id, live_until, group.safe) else settle(op, group) end
end

-- A PUT or POST that newer pushes have overtaken: what is newer stays. Returns whether it changed anything.
local function apply_overtaken(op, stamp, group)
  local key = op.key
  local raises_floor = op.verb == 'PUT'
  if raises_floor then
    drop_older(key, stamp)
    redis.call('HSET', key, 'floor', stamp)
  end
  local fresh = {}
  for i = 1, #op.fields, 2 do
    local held = redis.call('HGET', key, op.fields[i])
    if not held or string.sub(held, 1, STAMP) < stamp then
      fresh[#fresh + 1] = op.fields[i]
      fresh[#fresh + 1] = op.fields[i + 1]
    end
  end
  if #fresh == 0 and not raises_floor then return false end
  hset(key, fresh)
  settle(op, group)
  return true
end

local function read(key)
  local meta = redis.call('HMGET', key, 'top', 'pushed', 'pushedUntil', 'floor', 'forgot', 'failed', 'failedStamp',
    'failedUntil', 'until', 'soon')
  return {
    top = meta[1] or '', pushed = tonumber(meta[2]), pushed_until = tonumber(meta[3]), floor = meta[4] or '',
    forgot = meta[5] or '', failed = meta[6], failed_stamp = meta[7] or '', failed_until = tonumber(meta[8]),
    live_until = tonumber(meta[9]), soon = tonumber(meta[10]) or 0,
  }
end

local function merge(op, stamp)
  local group = read(op.key)
  -- A PUT replaces families, but does not take a failure back.
  local is_late = stamp <= group.floor
  if op.verb == 'FAIL' then is_late = stamp <= newer(group.forgot, group.failed_stamp) end
  if op.verb == 'DELETE' then is_late = is_late and stamp <= group.forgot end
  if is_late then return 's' end

  group.safe = not oldest
    or (oldest > stamp and oldest > group.top and oldest > group.floor and oldest > group.failed_stamp)
  if op.verb == 'FAIL' then
    apply_failure(op, stamp, group)
  elseif op.verb == 'DELETE' then
    apply_delete(op, stamp, group)
  elseif stamp > group.top then
    apply_newest(op, stamp, group)
  elseif not apply_overtaken(op, stamp, group) then
    return 's'
  end
  return 'a'
end

-- Deletes every group, whatever older pushes are still to come: the shard's floor keeps them out. Returns their IDs.
local function wipe(stamp)
  wiped = stamp
  redis.call('SET', wiped_key, stamp)
  local ids = redis.call('ZRANGE', index, 0, -1)
  for _, id in ipairs(ids) do merge({ key = ARGV[3] .. id, id = id, verb = 'DELETE' }, stamp) end
  return ids
end

-- Whether a push that was sent again is in the log twice, and the first is still to come: then it is the one that counts.
-- It was delivered before this one, so it is pending.
local function is_pending_before(push)
  local from = push.since
  while true do
    local page = redis.call('XPENDING', pushes, ARGV[1], from, push.entry, 100)
    for _, entry in ipairs(page) do
      local found = redis.call('XRANGE', pushes, entry[1], entry[1])[1]
      local fields = found and found[2] or {}
      for i = 1, #fields, 2 do
        if fields[i] == 'id' and fields[i + 1] == push.id then return true end
      end
    end
    if #page < 100 then return false end
    from = '(' .. page[100][1]
  end
end

-- Push IDs that the changes since `since` name.
local function applied_since(since)
  local seen = {}
  for _, entry in ipairs(redis.call('XRANGE', changes, since, '+')) do
    for id in string.gmatch(entry[2][2], '(%S+):%a') do seen[id] = true end
  end
  return seen
end

local at = 4
local function take()
  at = at + 1
  return ARGV[at]
end

local batch = {}
local oldest_since
for i = 1, tonumber(ARGV[4]) do
  local push = { at = i, entry = take(), stamp = take(), id = take(), since = take(), ops = {} }
  for o = 1, tonumber(take()) do
    local op = {
      key = KEYS[tonumber(take())], id = take(), verb = take(), kind = take(), labels = take(),
      deadline = tonumber(take()), arrival = take(), fields = {},
    }
    for f = 1, 2 * tonumber(take()) do op.fields[f] = take() end
    push.ops[o] = op
  end
  batch[i] = push
  if redis.call('XACK', pushes, ARGV[1], push.entry) == 1 then
    push.ours = true
    if push.since ~= '' and (not oldest_since or push.since < oldest_since) then oldest_since = push.since end
  end
end

local pending = redis.call('XPENDING', pushes, ARGV[1])
local oldest_pending
if pending[1] > 0 then
  local ms, sequence = string.match(pending[2], '(%d+)%-(%d+)')
  oldest_pending = string.format('%014d-%010d', ms, sequence)
end

-- In the order of the log: the oldest that is left is the next one then.
table.sort(batch, function(a, b) return a.stamp < b.stamp end)

local changed, is_changed = {}, {}
local function note_change(id)
  if is_changed[id] then return end
  is_changed[id] = true
  changed[#changed + 1] = id
end

-- Returns the outcome.
local function apply(push)
  local outcome = 's'
  for _, op in ipairs(push.ops) do
    -- Also when it fails half way.
    note_change(op.id)
    if push.stamp > wiped then
      if op.verb == 'WIPE' then
        for _, id in ipairs(wipe(push.stamp)) do note_change(id) end
        outcome = 'a'
      elseif merge(op, push.stamp) == 'a' then
        outcome = 'a'
      end
    end
  end
  return outcome
end

-- Returns the outcome.
local function bury(push, reason)
  local entry = redis.call('XRANGE', pushes, push.entry, push.entry)[1]
  if entry then
    local fields = entry[2]
    local n = #fields
    fields[n + 1], fields[n + 2] = 'entry', push.entry
    fields[n + 3], fields[n + 4] = 'reason', reason
    fields[n + 5], fields[n + 6] = 'deliveries', '1'
    redis.call('XADD', KEYS[5], '*', unpack(fields))
  end
  return 'x'
end

local seen = oldest_since and applied_since(oldest_since) or {}
local outcomes, told = {}, {}
for i, push in ipairs(batch) do
  local outcome = 'n'
  if push.ours then
    oldest = batch[i + 1] and batch[i + 1].stamp
    if not oldest or (oldest_pending and oldest_pending < oldest) then oldest = oldest_pending end
    if push.since ~= '' and (seen[push.id] or is_pending_before(push)) then
      outcome = 'd'
    else
      local ok, result = pcall(apply, push)
      outcome = ok and result or bury(push, type(result) == 'table' and result.err or tostring(result))
      seen[push.id] = true
    end
    redis.call('XDEL', pushes, push.entry)
    -- A push whose first append is still to come is not settled yet.
    if outcome ~= 'd' or seen[push.id] then told[#told + 1] = push.id .. ':' .. outcome end
  end
  outcomes[push.at] = outcome
end

if #told > 0 then
  redis.call('XADD', changes, 'MINID', '~', ARGV[2], '*', 'pushes', table.concat(told, ' '), 'groups', table.concat(changed, ' '))
end
return table.concat(outcomes)
