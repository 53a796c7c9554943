-- Reads some families of a group, those that the changes up to one of them name, and those that changed since: all at one moment, or
-- a push that is merged in between would be seen in half.
--
-- KEYS[1] group   KEYS[2] changes
-- ARGV[1] ID of the group   ARGV[2] stream ID of the last change that is known   ARGV[3], … names of families
--
-- Returns fields and values as HGETALL does, labels and meta among them; nil when all of the group has to be read.
-- redis/change-record.ts describes an entry of the changes.

-- Whoever is further behind has a lot to read anyway.
local MOST_CHANGES = 1000
local id, known = ARGV[1], ARGV[2]

local fields, is_named = { 'labels', 'meta' }, {}
local function name(family)
  if is_named[family] then return end
  is_named[family] = true
  fields[#fields + 1] = 'f:' .. family
end
for i = 3, #ARGV do name(ARGV[i]) end

-- Names the families of the group in what an entry tells; returns whether it is there.
local function name_all(packed)
  local lf = string.find(packed, '\n', 1, true)
  local list, at = {}, lf + 1
  for length in string.gmatch(string.sub(packed, 1, lf - 1), '%d+') do
    list[#list + 1] = string.sub(packed, at, at + length - 1)
    at = at + length
  end
  -- For each group its ID, how many families, their names.
  local first = 1
  while list[first] do
    local last = first + 1 + tonumber(list[first + 1])
    if list[first] == id then
      for i = first + 2, last do name(list[i]) end
      return true
    end
    first = last + 1
  end
  return false
end

local entries = redis.call('XRANGE', KEYS[2], known, '+', 'COUNT', MOST_CHANGES)
-- Where the entry itself is missing, others may be, too.
if #entries == MOST_CHANGES or not entries[1] or entries[1][1] ~= known then return nil end
for i = 2, #entries do
  local told = entries[i][2]
  if string.find(' ' .. told[4] .. ' ', ' ' .. id .. ' ', 1, true) then
    if not told[6] or not name_all(told[6]) then return nil end
  end
end

local reply, n = {}, 0
for from = 1, #fields, 1000 do
  local to = math.min(from + 999, #fields)
  local values = redis.call('HMGET', KEYS[1], unpack(fields, from, to))
  for i = from, to do
    local value = values[i - from + 1]
    -- It has expired.
    if not value then return nil end
    reply[n + 1], reply[n + 2] = fields[i], value
    n = n + 2
  end
end
return reply
