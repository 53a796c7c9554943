-- Applies a batch of pushes of one shard: acknowledges them, merges each into its group, records what changed.
--
-- A group is a last-writer-wins map. A family carries the stamp of the push that wrote it; the group's floor is the stamp
-- of the newest PUT or DELETE: families below it are gone. So order and repetition do no harm: two workers, a redelivery
-- and a claim end in the same state. A push whose acknowledgement is not ours (another worker was first) is skipped.
--
-- XACK and XDEL come first: they free memory, and once a script has written, Redis lets it write on when memory is full.
--
-- Nothing is physically forgotten (expiry, tombstone) while an older push is still pending in the log: it could bring
-- back what a newer one had removed. `oldest` decides that.
--
-- KEYS[1] pushes   KEYS[2] groups (index)   KEYS[3] changes   KEYS[4] wiped   KEYS[5..] the groups' hashes
-- ARGV[1] consumer group
-- ARGV[2] oldest change to keep: a stream ID for MINID
-- ARGV[3] what a group's key is before its ID, for WIPE
-- ARGV[4] number of pushes, then for each push:
--           stream ID, stamp, push ID, since ('' or, for a push that was sent again because its first append had no
--           reply, the stream ID from which the first may have been applied), number of operations, then for each:
--             index into KEYS, group ID, verb (PUT POST DELETE FAIL WIPE), kind, labels, deadline in ms (0: never),
--             arrival in ms, number of families, then for each: name, value (starts with the stamp)
--
-- Returns for each push one letter: a applied, s superseded, d duplicate of one applied before,
-- n not ours any more.

local STAMP = 25
local pushes, index, changes, wiped_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
-- The floor of the whole shard: the stamp of the newest WIPE.
local wiped = redis.call('GET', wiped_key) or ''

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

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

-- The newest operation of its group.
local function apply_newest(op, stamp, safe, was)
  local key, fields, n = op.key, op.fields, #op.fields
  local has_families = n > 0

  if op.verb == 'DELETE' then
    local about = redis.call('HMGET', key, 'kind', 'labels')
    redis.call('DEL', key)
    if was.failed and was.failed_stamp > stamp then
      hset(key, { 'kind', about[1], 'labels', about[2], 'failed', was.failed, 'failedStamp', was.failed_stamp,
        'top', stamp, 'floor', stamp, 'until', text(was.live_until) })
      keep_until(key, op.id, was.live_until, safe)
    elseif safe then
      redis.call('ZREM', index, op.id)
    else
      -- A tombstone. Its place in the index, already past, leaves it to the sweep.
      hset(key, { 'top', stamp, 'floor', stamp })
      redis.call('ZADD', index, text(now), op.id)
    end
    return
  end

  local function set(name, value)
    fields[n + 1], fields[n + 2] = name, value
    n = n + 2
  end
  set('kind', op.kind)
  set('labels', op.labels)
  set('top', stamp)
  set('pushed', op.arrival)

  if op.verb == 'PUT' then
    redis.call('DEL', key)
    set('floor', stamp)
    set('until', text(op.deadline))
    set('soon', text(op.deadline))
    if was.failed then
      set('failed', was.failed)
      set('failedStamp', was.failed_stamp)
    end
    hset(key, fields)
    keep_until(key, op.id, op.deadline, safe)
    return
  end

  -- POST. While every push has the same TTL its deadline is the group's latest; only a shorter one makes us look.
  local live_until, soon = op.deadline, op.deadline
  local look = false
  if was.alive then
    soon = has_families and sooner(was.soon, op.deadline) or was.soon
    if not has_families then
      live_until = was.live_until
    elseif op.deadline ~= 0 then
      look = was.live_until == 0 or op.deadline < was.live_until
    end
    if safe and is_past(soon) then look = true end
  elseif was.exists and not was.failed then
    redis.call('HDEL', key, 'failed', 'failedStamp')
  end
  hset(key, fields)
  if look then
    local last, first = measure(key, safe)
    live_until, soon = last or live_until, first or soon
  end
  redis.call('HSET', key, 'until', text(live_until), 'soon', text(soon))
  keep_until(key, op.id, live_until, safe)
end

-- An operation that newer ones have overtaken: what they left standing below the floor goes, what is newer stays.
local function apply_overtaken(op, stamp, safe, was)
  local key = op.key
  local raises_floor = op.verb ~= 'POST'
  if raises_floor then
    drop_older(key, stamp)
    redis.call('HSET', key, 'floor', stamp)
    if op.verb == 'DELETE' and was.failed_stamp < stamp then redis.call('HDEL', key, 'failed', 'failedStamp') end
  end
  local fresh = {}
  for i = 1, #op.fields, 2 do
    local held = redis.call('HGET', key, op.fields[i])
    if not held or string.sub(held, 1, STAMP) < stamp then
      fresh[#fresh + 1] = op.fields[i]
      fresh[#fresh + 1] = op.fields[i + 1]
    end
  end
  if #fresh == 0 and not raises_floor then return 's' end
  if #fresh > 0 then hset(key, fresh) end
  local last, first = measure(key, safe)
  if last then
    redis.call('HSET', key, 'until', text(last), 'soon', text(first))
    keep_until(key, op.id, last, safe)
  end
  return 'a'
end

local function apply_failure(op, stamp, safe, was)
  if stamp <= was.failed_stamp then return 's' end
  local key = op.key
  if not was.alive then
    if was.exists then redis.call('HDEL', key, 'pushed') end
    hset(key, { 'kind', op.kind, 'labels', op.labels, 'until', text(op.deadline) })
    keep_until(key, op.id, op.deadline, safe)
  end
  hset(key, { 'failed', op.arrival, 'failedStamp', stamp })
  return 'a'
end

local function merge(op, stamp, safe)
  local meta = redis.call('HMGET', op.key, 'top', 'floor', 'until', 'soon', 'failed', 'failedStamp')
  local was = {
    top = meta[1] or '', floor = meta[2] or '', live_until = tonumber(meta[3]), soon = tonumber(meta[4]) or 0,
    failed = meta[5], failed_stamp = meta[6] or '',
  }
  if stamp <= was.floor or stamp <= wiped then return 's' end
  was.exists = was.top ~= '' or was.live_until ~= nil
  was.alive = was.live_until ~= nil and not is_past(was.live_until)

  if was.exists and not was.alive then
    -- The push times live as long as their group: a new life starts without them.
    if was.failed and was.failed_stamp < stamp then was.failed, was.failed_stamp = false, '' end
    if safe then
      redis.call('DEL', op.key)
      was.top, was.floor, was.exists, was.soon = '', '', false, 0
    end
  end

  if op.verb == 'FAIL' then return apply_failure(op, stamp, safe, was) end
  if stamp <= was.top then return apply_overtaken(op, stamp, safe, was) end
  apply_newest(op, stamp, safe, was)
  return 'a'
end

-- Deletes every group, whatever older pushes are still to come: the shard's floor keeps them out. Returns their IDs.
local function wipe(stamp)
  local ids = redis.call('ZRANGE', index, 0, -1)
  for _, id in ipairs(ids) do
    merge({ key = ARGV[3] .. id, id = id, verb = 'DELETE', fields = {} }, stamp, true)
  end
  wiped = stamp
  redis.call('SET', wiped_key, stamp)
  return ids
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
  local push = { entry = take(), stamp = take(), id = take(), since = take(), ops = {} }
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
    redis.call('XDEL', pushes, push.entry)
    if push.since ~= '' and (not oldest_since or push.since < oldest_since) then oldest_since = push.since end
  end
end

local pending = redis.call('XPENDING', pushes, ARGV[1])
local oldest
if pending[1] > 0 then
  local ms, sequence = string.match(pending[2], '(%d+)%-(%d+)')
  oldest = string.format('%014d-%010d', ms, sequence)
end

local seen = oldest_since and applied_since(oldest_since) or {}
local outcomes, told, changed, is_changed = {}, {}, {}, {}
for i, push in ipairs(batch) do
  local outcome = 'n'
  if push.ours then
    if push.since ~= '' and seen[push.id] then
      outcome = 'd'
    else
      local safe = not oldest or oldest > push.stamp
      outcome = 's'
      for _, op in ipairs(push.ops) do
        local ids = { op.id }
        if op.verb == 'WIPE' then
          if push.stamp > wiped then ids, outcome = wipe(push.stamp), 'a' end
        elseif merge(op, push.stamp, safe) == 'a' then
          outcome = 'a'
        end
        for _, id in ipairs(ids) do
          if not is_changed[id] then
            is_changed[id] = true
            changed[#changed + 1] = id
          end
        end
      end
      seen[push.id] = true
    end
    told[#told + 1] = push.id .. ':' .. outcome
  end
  outcomes[i] = outcome
end

if #told > 0 then
  redis.call('XADD', changes, 'MINID', '~', ARGV[2], '*', 'pushes', table.concat(told, ' '), 'groups', table.concat(changed, ' '))
end
return table.concat(outcomes)
