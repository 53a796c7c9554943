-- Merges the oldest pushes of a shard in one step: takes them from the log, applies them in order, records the changes.
--
-- Redis runs one script at a time, so any number of workers may call this. A worker that dies or freezes holds nothing,
-- and each group sees its pushes in the order of the log.
--
-- A push is removed from the log before it is applied, because Redis lets a script that has written go on when memory
-- is full. A script cannot roll back: a push that cannot be applied (for example because its group's key has another
-- type) becomes a dead letter. docs/storage-format.md describes what is read and written here.
--
-- KEYS[1]  pushes   stream: the log
-- KEYS[2]  groups   sorted set: the index of groups
-- KEYS[3]  changes  stream
-- KEYS[4]  dead     stream: the dead letters
-- KEYS[5]  absent   never exists. The keys of groups cannot be declared, since only the log says which are written.
--                   While their slot moves, some are on another node. A declared key that does not exist makes Redis
--                   refuse the script (TRYAGAIN) until all keys have moved.
-- KEYS[6]  dropped  string: stream ID of the newest change that was trimmed
-- ARGV[1]  prefix of the keys of groups
-- ARGV[2]  most pushes to take
-- ARGV[3]  most bytes of pushes to take; at least one push is taken
-- ARGV[4]  time for which changes are kept, ms
--
-- Returns { pushes left in the log, dead letters, then for each push that was taken: its outcome and the ms of its
-- stream ID, as `a1700000000000` }. A dead letter is `STREAM-ID REASON`. Outcomes: a applied, s superseded by a newer
-- push of the batch, d duplicate of a push that was applied before, x dead letter.

local pushes, index, changes, dead, dropped_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[6]
local group_key, keep_changes_ms = ARGV[1], tonumber(ARGV[4])
local VERSION = '2'
local ZEROS = '00000000000000'
-- A master that took over may lack the last changes and continue with older stream IDs, by less than this, ms.
local MARGIN_MS = 30000
-- Changes are trimmed once the oldest is this much too old, ms.
local DROP_MS = 5000
-- If the clock was set back, stream IDs stay ahead of it and changes do not age: then all but this many are trimmed.
local MOST_CHANGES_AHEAD = 20000
-- Most changes trimmed at once for that reason.
local DROP_COUNT = 1000
local FIELDS = { 'id', 'since', 'verb', 'kind', 'at', 'ttl', 'body' }
local VERBS = { PUT = true, POST = true, DELETE = true, FAIL = true, WIPE = true }
local KINDS = { push = true, ingest = true }
-- Longest number, so that the sum of two is exact.
local MAX_DIGITS = 15
-- The changed families of a group are listed if it has more than MANY_FAMILIES, and FEW_OF_MANY times more than
-- changed. Otherwise fetching the whole group is as cheap.
local MANY_FAMILIES = 100
local FEW_OF_MANY = 4
-- Searching a large group for expired families takes time: it is not repeated for this long for each family, ms.
local SEARCH_PAUSE_MS = 0.1

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- Checked before the first write, because the script cannot roll back.
local TYPES = { [pushes] = 'stream', [index] = 'zset', [changes] = 'stream', [dead] = 'stream' }
TYPES[dropped_key] = 'string'
for key, wanted in pairs(TYPES) do
  local found = redis.call('TYPE', key).ok
  if found ~= wanted and found ~= 'none' then
    local mismatch = key .. ' holds a ' .. found .. ', not a ' .. wanted
    return redis.error_reply('WRONGTYPE ' .. mismatch .. ': is the prefix shared with others?')
  end
end

local function is_past(deadline)
  return deadline ~= 0 and deadline <= now
end

-- The later of two deadlines. 0 = never.
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

-- Formatting is the most expensive operation here, and most numbers of a batch are the same few deadlines.
local texts = {}
local function text(ms)
  local known = texts[ms]
  if not known then
    known = string.format('%.0f', ms)
    texts[ms] = known
  end
  return known
end

-- Milliseconds and sequence number of a stream ID.
local function split_id(stream_id)
  local ms, sequence = string.match(stream_id, '^(%d+)%-(%d+)$')
  return tonumber(ms), tonumber(sequence)
end

local function is_after(a, b)
  local a_ms, a_sequence = split_id(a)
  local b_ms, b_sequence = split_id(b)
  return a_ms > b_ms or (a_ms == b_ms and a_sequence > b_sequence)
end

local function hset(key, fields)
  for from = 1, #fields, 1000 do
    redis.call('HSET', key, unpack(fields, from, math.min(from + 999, #fields)))
  end
end

-- The `meta` of a group. Nil if it does not exist, has expired, or no gateway wrote it; such a hash is deleted.
local function read_group(key)
  local top, pushed, failed, until_ms, soon =
    string.match(redis.call('HGET', key, 'meta') or '', '^(%S+) (%S+) (%S+) (%d+) (%d+)$')
  if not top or is_past(tonumber(until_ms)) then
    redis.call('DEL', key)
    return nil
  end
  return { top = top, pushed = pushed, failed = failed, until_ms = tonumber(until_ms), soon = tonumber(soon) }
end

local function encode_meta(group)
  return table.concat({ group.top, group.pushed, group.failed, text(group.until_ms), text(group.soon) }, ' ')
end

-- New scores in the index, by group ID. Written together at the end.
local scores = {}

local function delete_group(key, id)
  redis.call('DEL', key)
  redis.call('ZREM', index, id)
  scores[id] = nil
end

local function keep_until(key, id, deadline)
  if deadline == 0 then
    redis.call('PERSIST', key)
    scores[id] = '+inf'
  else
    redis.call('PEXPIREAT', key, text(deadline))
    scores[id] = text(deadline)
  end
end

local function write_scores()
  local args, n = {}, 0
  for id, score in pairs(scores) do
    args[n + 1], args[n + 2] = score, id
    n = n + 2
  end
  for from = 1, n, 1000 do redis.call('ZADD', index, unpack(args, from, math.min(from + 999, n))) end
end

local function deadline_of(record)
  return tonumber(string.match(record, '^%S+ (%d+)'))
end

-- Whether writing the first `n` of `fields` may move the latest deadline of the group, `until_ms`, to an earlier time.
-- In a large group only if one of the replaced families has this deadline; a small group is searched anyway.
local function may_end_earlier(key, fields, n, until_ms)
  if redis.call('HLEN', key) <= MANY_FAMILIES then return true end
  for from = 1, n, 2000 do
    local names = {}
    for i = from, math.min(from + 1999, n), 2 do names[#names + 1] = fields[i] end
    for _, record in ipairs(redis.call('HMGET', key, unpack(names))) do
      if record and deadline_of(record) == until_ms then return true end
    end
  end
  return false
end

-- Removes expired families. Returns the latest deadline of the others, nil if there are none, and when to search again.
local function drop_expired(key)
  local last, first
  local all = redis.call('HGETALL', key)
  for i = 1, #all, 2 do
    if string.sub(all[i], 1, 2) == 'f:' then
      local deadline = deadline_of(all[i + 1])
      if not deadline or is_past(deadline) then
        redis.call('HDEL', key, all[i])
      else
        last = last and later(last, deadline) or deadline
        first = first and sooner(first, deadline) or deadline
      end
    end
  end
  local families = #all / 2
  if families > MANY_FAMILIES and first and first ~= 0 then
    first = math.max(first, math.ceil(now + families * SEARCH_PAUSE_MS))
  end
  return last, first
end

-- PUT or POST on one group; `fields` are the families of the push. Returns whether its other families are unchanged.
local function apply_content(push, id, labels, fields)
  local key, n = group_key .. id, #fields
  local held = read_group(key)
  local group = {
    top = push.stamp, pushed = push.at, failed = held and held.failed or '0',
    until_ms = push.deadline, soon = n > 0 and push.deadline or 0,
  }
  local is_exact = not is_past(push.deadline)
  if held and push.verb == 'PUT' then
    redis.call('DEL', key)
  elseif held then
    group.soon = n > 0 and sooner(held.soon, group.soon) or held.soon
    group.until_ms = later(held.until_ms, push.deadline)
    -- While all pushes have the same TTL, this deadline is the latest of the group. A shorter TTL may require a search.
    if is_past(group.soon) or (group.until_ms ~= push.deadline and may_end_earlier(key, fields, n, group.until_ms)) then
      is_exact = false
    elseif n == 0 and group.until_ms ~= held.until_ms then
      -- No family has this deadline: the next push searches.
      group.soon = now
    end
  end
  fields[n + 1], fields[n + 2] = 'labels', labels
  fields[n + 3], fields[n + 4] = 'meta', encode_meta(group)
  hset(key, fields)
  if not is_exact then
    local last, first = drop_expired(key)
    group.until_ms = last and later(last, push.deadline) or push.deadline
    group.soon = n == 0 and group.until_ms ~= last and now or first or 0
    if is_past(group.until_ms) then return delete_group(key, id) end
    redis.call('HSET', key, 'meta', encode_meta(group))
  end
  keep_until(key, id, group.until_ms)
  -- Expired families need not be listed: no reader shows them.
  return held and push.verb == 'POST'
end

-- Records a failed push, which only keeps a group without pushed content alive. Returns whether families are unchanged.
local function apply_failure(push, id, labels)
  local key = group_key .. id
  local held = read_group(key)
  local group = held or { top = '-', pushed = '0', until_ms = push.deadline, soon = 0 }
  group.failed = push.at
  if group.top == '-' then group.until_ms = later(group.until_ms, push.deadline) end
  if is_past(group.until_ms) then return delete_group(key, id) end
  redis.call('HSET', key, 'labels', labels, 'meta', encode_meta(group))
  if group.top == '-' then keep_until(key, id, group.until_ms) end
  return held
end

-- Deletes all groups. Returns their IDs.
local function wipe()
  local ids = redis.call('ZRANGE', index, 0, -1)
  for _, id in ipairs(ids) do redis.call('DEL', group_key .. id) end
  redis.call('DEL', index)
  scores = {}
  return ids
end

-- Unpacks the strings of a body: their lengths in the first line, then the strings.
local function unpack_strings(body)
  local list, n = {}, 0
  local lf = string.find(body, '\n', 1, true)
  if not lf then error('cannot decode push: the lengths in its body do not add up', 0) end
  local at = lf + 1
  for length in string.gmatch(string.sub(body, 1, lf - 1), '%d+') do
    n = n + 1
    list[n] = string.sub(body, at, at + length - 1)
    at = at + length
  end
  if at ~= #body + 1 then error('cannot decode push: the lengths in its body do not add up', 0) end
  return list
end

-- IDs of changed groups; by ID, what each push wrote (a list of fields), or true if other families may have changed.
local changed, written_to = {}, {}

-- Marks a group as changed in any way. Returns its previous entry of `written_to`.
local function note_change(id)
  local before = written_to[id]
  if not before then changed[#changed + 1] = id end
  written_to[id] = true
  return before
end

local function apply(push)
  if push.verb == 'WIPE' then
    for _, id in ipairs(wipe()) do note_change(id) end
    return
  end
  local list = unpack_strings(push.body)
  if not list[1] then error('cannot decode push: its body has no group', 0) end
  local at = 1
  -- The beginning of each family record.
  local prefix = table.concat({ push.stamp, text(push.deadline), push.at, '' }, ' ')
  while list[at] do
    local id, labels, families = list[at], push.kind .. ' ' .. list[at + 1], tonumber(list[at + 2])
    at = at + 3
    local fields = {}
    for i = 1, 2 * families, 2 do
      fields[i], fields[i + 1] = 'f:' .. list[at], prefix .. list[at + 1]
      at = at + 2
    end
    -- First, so that it is also marked if applying fails half-way.
    local before = note_change(id)
    local are_others_kept
    if push.verb == 'DELETE' then
      delete_group(group_key .. id, id)
    elseif push.verb == 'FAIL' then
      are_others_kept = apply_failure(push, id, labels)
    else
      are_others_kept = apply_content(push, id, labels, fields)
    end
    if are_others_kept and before ~= true then
      before = before or {}
      before[#before + 1] = fields
      written_to[id] = before
    end
  end
end

-- The field `families` of the change: packed strings; '' if there is no group with many families of which few changed.
local function changed_families()
  local lengths, packed, n = {}, {}, 0
  local function add(one)
    n = n + 1
    lengths[n], packed[n] = #one, one
  end
  for _, id in ipairs(changed) do
    local lists = written_to[id]
    local most = lists ~= true and redis.call('HLEN', group_key .. id) or 0
    if most > MANY_FAMILIES then
      most = most / FEW_OF_MANY
      local names, is_named = {}, {}
      for _, fields in ipairs(lists) do
        -- `labels` and `meta` are among them.
        for i = 1, #fields, 2 do
          local name = string.sub(fields[i], 1, 2) == 'f:' and string.sub(fields[i], 3)
          if name and not is_named[name] then
            is_named[name] = true
            names[#names + 1] = name
          end
        end
        if #names > most then break end
      end
      if #names <= most then
        add(id)
        add(text(#names))
        for _, name in ipairs(names) do add(name) end
      end
    end
  end
  return n == 0 and '' or table.concat(lengths, ' ') .. '\n' .. table.concat(packed)
end

local function is_number(value)
  return #value <= MAX_DIGITS and string.match(value, '^%d+$')
end

local function is_stream_id(value)
  local ms, sequence = string.match(value, '^(%d+)%-(%d+)$')
  return ms and is_number(ms) and is_number(sequence)
end

-- The name of the first invalid field.
local function find_bad_field(push)
  if not string.match(push.id, '^%S+$') then return 'id' end
  if push.since ~= '' and not is_stream_id(push.since) then return 'since' end
  if not VERBS[push.verb] then return 'verb' end
  if not KINDS[push.kind] then return 'kind' end
  if not is_number(push.at) then return 'at' end
  if not is_number(push.ttl) then return 'ttl' end
end

-- Sets `fault` if the entry was not written by a gateway, or by one of another version.
local function decode(entry)
  local given = {}
  for i = 1, #entry[2], 2 do given[entry[2][i]] = entry[2][i + 1] end
  local push = { entry = entry[1], fields = entry[2] }
  for _, name in ipairs(FIELDS) do push[name] = given[name] end
  local ms, sequence = string.match(entry[1], '^(%d+)%-(%d+)$')
  push.ms = tonumber(ms)
  push.stamp = string.sub(ZEROS, #ms + 1) .. ms .. '-' .. string.sub(ZEROS, #sequence + 5) .. sequence
  if given.v ~= VERSION then
    push.fault = 'cannot decode push: version "' .. string.sub(tostring(given.v), 1, 100) .. '" is not ' .. VERSION
    return push
  end
  for _, name in ipairs(FIELDS) do
    if not push[name] then
      push.fault = 'cannot decode push: it has no field "' .. name .. '"'
      return push
    end
  end
  local bad = find_bad_field(push)
  if bad then
    push.fault = 'cannot decode push: field "' .. bad .. '" is "' .. string.sub(push[bad], 1, 100) .. '"'
    return push
  end
  local at, ttl = tonumber(push.at), tonumber(push.ttl)
  push.deadline = ttl == 0 and 0 or math.ceil(at + ttl)
  if push.kind == 'push' then
    -- The first string of the body is the group ID.
    local lf = string.find(push.body, '\n', 1, true)
    local length = lf and string.match(string.sub(push.body, 1, lf), '^%d+')
    push.group = length and string.sub(push.body, lf + 1, lf + length)
  end
  return push
end

-- Reads the oldest pushes, as many as the limits allow.
local function read_batch(most, most_bytes)
  local batch, bytes, from, count = {}, 0, '-', 1
  while #batch < most and bytes < most_bytes do
    local page = redis.call('XRANGE', pushes, from, '+', 'COUNT', count)
    for _, entry in ipairs(page) do
      -- They may be larger than expected.
      if bytes >= most_bytes then break end
      local push = decode(entry)
      batch[#batch + 1] = push
      bytes = bytes + 100 + #(push.body or '')
    end
    if #page < count then break end
    from = '(' .. page[count][1]
    -- As many as are expected to fit, by the average size so far.
    local fit = math.ceil((most_bytes - bytes) / (bytes / #batch))
    count = math.max(1, math.min(most - #batch, fit, 4 * #batch))
  end
  return batch
end

-- Push IDs in the changes from `ms` on, and from MARGIN_MS before it.
local function applied_since(ms)
  local seen = {}
  for _, entry in ipairs(redis.call('XRANGE', changes, text(math.max(0, ms - MARGIN_MS)), '+')) do
    for id in string.gmatch(entry[2][2], '(%S+):%a') do seen[id] = true end
  end
  return seen
end

-- Marks pushes that a newer push of the batch replaces: they need not be applied. A failure is replaced only by a
-- DELETE or WIPE. `replaces` of the newer push lists them: they are applied after all if it becomes a dead letter.
local function find_superseded(batch)
  local replaced, deleted, wiped = {}, {}, nil
  for i = #batch, 1, -1 do
    local push = batch[i]
    if not push.fault and not push.is_duplicate then
      local id = push.group
      local is_content = push.verb == 'PUT' or push.verb == 'POST'
      local by = wiped or (id and (deleted[id] or (is_content and replaced[id])))
      if by then
        push.is_superseded = true
        by.replaces = by.replaces or {}
        table.insert(by.replaces, push)
      elseif push.verb == 'WIPE' then
        wiped = push
      elseif id and push.verb == 'PUT' then
        replaced[id] = push
      elseif id and push.verb == 'DELETE' then
        deleted[id] = push
      end
    end
  end
end

local function bury(push, reason)
  local fields = { 'entry', push.entry, 'reason', reason, 'attempts', '1' }
  -- At most 4000 names and values, because `unpack` fails near 8000. Our pushes have few.
  for i = 1, math.min(#push.fields, 4000) do fields[6 + i] = push.fields[i] end
  redis.call('XADD', dead, '*', unpack(fields))
end

local batch = read_batch(tonumber(ARGV[2]), tonumber(ARGV[3]))
if #batch == 0 then return { 0, {} } end

-- The script checks its ACL permissions before the first write, because it cannot roll back. Needs Redis 7 or later.
local any_group = group_key .. '0'
local NEEDED = {
  { 'HGET', any_group, 'meta' }, { 'HMGET', any_group, 'meta' }, { 'HGETALL', any_group }, { 'HLEN', any_group },
  { 'HSET', any_group, 'meta', '' }, { 'HDEL', any_group, 'meta' },
  { 'DEL', any_group }, { 'PEXPIREAT', any_group, '0' }, { 'PERSIST', any_group },
  { 'ZADD', index, '0', '' }, { 'ZREM', index, '' }, { 'ZRANGE', index, '0', '-1' },
  { 'XADD', changes, '*', 'f', '' }, { 'XADD', dead, '*', 'f', '' }, { 'XREVRANGE', changes, '+', '-' },
  { 'XTRIM', changes, 'MINID', '0' }, { 'SET', dropped_key, '' }, { 'XDEL', pushes, '0-0' }, { 'XLEN', pushes },
  { 'XLEN', changes },
}
if redis.acl_check_cmd then
  for _, command in ipairs(NEEDED) do
    if not redis.acl_check_cmd(unpack(command)) then
      return redis.error_reply('NOPERM our user may not run ' .. command[1] .. ' on ' .. command[2] .. ' (ACL)')
    end
  end
end

local sent_again_since
local entries = {}
for i, push in ipairs(batch) do
  entries[i] = push.entry
  local since = not push.fault and push.since ~= '' and split_id(push.since)
  if since and (not sent_again_since or since < sent_again_since) then sent_again_since = since end
end
local seen = sent_again_since and applied_since(sent_again_since) or {}
local dropped = sent_again_since and redis.call('GET', dropped_key) or '0-0'
for _, push in ipairs(batch) do
  if push.id then
    if not push.fault and push.since ~= '' then
      push.is_duplicate = seen[push.id]
      if not seen[push.id] and is_after(dropped, push.since) then
        push.fault = 'it was appended twice, so long ago that it is not known whether the first one was applied: '
          .. 'replay it if it was not'
      end
    end
    seen[push.id] = true
  end
end
find_superseded(batch)

for from = 1, #entries, 1000 do
  redis.call('XDEL', pushes, unpack(entries, from, math.min(from + 999, #entries)))
end
local reply, dead_letters, outcomes = { 0, {} }, {}, {}

-- Sets `outcome`. A push that cannot be applied becomes a dead letter.
local function apply_or_bury(push)
  if not push.fault and push.is_duplicate then
    push.outcome = 'd'
    return
  end
  if not push.fault then
    local ok, result = pcall(apply, push)
    if ok then
      push.outcome = 'a'
      return
    end
    push.fault = type(result) == 'table' and result.err or tostring(result)
  end
  push.outcome = 'x'
  bury(push, push.fault)
  dead_letters[#dead_letters + 1] = push.entry .. ' ' .. push.fault
  -- They are listed from the newest to the oldest.
  local replaces = push.replaces or {}
  for i = #replaces, 1, -1 do apply_or_bury(replaces[i]) end
end

for _, push in ipairs(batch) do
  if push.is_superseded then
    push.outcome = 's'
    if push.group then note_change(push.group) end
  else
    apply_or_bury(push)
  end
end
for i, push in ipairs(batch) do
  local id = string.match(push.id or '', '^%S+$') or push.entry
  outcomes[i] = id .. ':' .. push.outcome
  reply[2 + i] = push.outcome .. text(push.ms)
end

write_scores()

-- A push may be in the log twice, the second one appended within the time that a push waits for Redis. The change of
-- the first one is needed when the second one is merged, however late that is: so changes are kept by the age of the
-- log, not only by the clock.
local oldest_change = math.max(0, math.min(now, batch[#batch].ms) - keep_changes_ms)
local first = redis.call('XRANGE', changes, '-', '+', 'COUNT', 1)[1]
if first and split_id(first[1]) < oldest_change - DROP_MS then
  local last = redis.call('XREVRANGE', changes, '(' .. text(oldest_change) .. '-0', '-', 'COUNT', 1)[1]
  redis.call('SET', dropped_key, last[1])
  redis.call('XTRIM', changes, 'MINID', text(oldest_change))
elseif first and split_id(first[1]) > now then
  local held = redis.call('XLEN', changes)
  local extra = math.min(held - MOST_CHANGES_AHEAD, DROP_COUNT)
  if extra > 0 then
    local oldest = redis.call('XRANGE', changes, '-', '+', 'COUNT', extra)
    redis.call('SET', dropped_key, oldest[extra][1])
    redis.call('XTRIM', changes, 'MAXLEN', held - extra)
  end
end
local entry = { 'pushes', table.concat(outcomes, ' '), 'groups', table.concat(changed, ' ') }
local families = changed_families()
if families ~= '' then entry[5], entry[6] = 'families', families end
redis.call('XADD', changes, '*', unpack(entry))
reply[1], reply[2] = redis.call('XLEN', pushes), dead_letters
return reply
