-- Reads some families of a group, and those that changed after a given change, in a single step: otherwise a push that
-- is merged in between would be seen in part.
--
-- KEYS[1]  group    hash
-- KEYS[2]  changes  stream
-- ARGV[1]  group ID
-- ARGV[2]  stream ID of the last change that the caller knows
-- ARGV[3…] names of families
--
-- Returns fields and values as HGETALL does, with `labels` and `meta`; nil if the whole group has to be loaded.

-- A caller that is further behind loads the whole group.
local MOST_CHANGES = 1000
local id, known = ARGV[1], ARGV[2]

local fields, is_named = { 'labels', 'meta' }, {}
local function add(family)
  if is_named[family] then return end
  is_named[family] = true
  fields[#fields + 1] = 'f:' .. family
end
for i = 3, #ARGV do add(ARGV[i]) end

-- Adds the families that `families` of a change lists for the group. Returns false if it does not list the group.
local function add_changed(packed)
  local lf = string.find(packed, '\n', 1, true)
  local list, at = {}, lf + 1
  for length in string.gmatch(string.sub(packed, 1, lf - 1), '%d+') do
    list[#list + 1] = string.sub(packed, at, at + length - 1)
    at = at + length
  end
  -- For each group: its ID, the number of families, their names.
  local first = 1
  while list[first] do
    local last = first + 1 + tonumber(list[first + 1])
    if list[first] == id then
      for i = first + 2, last do add(list[i]) end
      return true
    end
    first = last + 1
  end
  return false
end

local entries = redis.call('XRANGE', KEYS[2], known, '+', 'COUNT', MOST_CHANGES)
-- If the known change was trimmed, later ones may have been, too.
if #entries == MOST_CHANGES or not entries[1] or entries[1][1] ~= known then return nil end
for i = 2, #entries do
  local change = entries[i][2]
  if string.find(' ' .. change[4] .. ' ', ' ' .. id .. ' ', 1, true) then
    if not change[6] or not add_changed(change[6]) then return nil end
  end
end

local reply, n = {}, 0
for from = 1, #fields, 1000 do
  local to = math.min(from + 999, #fields)
  local values = redis.call('HMGET', KEYS[1], unpack(fields, from, to))
  for i = from, to do
    local value = values[i - from + 1]
    -- The family was removed, or the group has expired.
    if not value then return nil end
    reply[n + 1], reply[n + 2] = fields[i], value
    n = n + 2
  end
end
return reply
