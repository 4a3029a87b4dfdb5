--- JSON that does not lose anything: events, records, and what Ceph and OpenStack answer.
--
-- Writing is done here: lua-cjson writes integers of more than 14 digits as rounded floats. Reading is
-- lua-cjson's, which makes every number a float; those that are whole become integers again. From 2^53 on
-- they stay floats, since the digits are lost by then: 64-bit ids and nanoseconds must not travel as JSON
-- numbers.

local cjson = require("cjson.safe").new()
local errors = require "siphon.errors"

cjson.decode_invalid_numbers(false) -- no "NaN", no hexadecimal

local json = {}

--- What stands for null. (nil cannot be a member of a table.)
json.null = require("cjson").null

local Array = { __name = "siphon.json.array" }

--- Marks a table as a list, which an empty table would not be: `json.array {}` is written as []. Returns it.
function json.array(t)
  return setmetatable(t, Array)
end

-- --- writing ----------------------------------------------------------------------------------------------

local ESCAPES = {
  ['"'] = '\\"', ["\\"] = "\\\\",
  ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t",
}

local function escape(c)
  return ESCAPES[c] or ("\\u%04x"):format(c:byte())
end

-- Image names and paths are bytes; JSON is UTF-8. A byte that belongs to no character becomes U+FFFD.
local function mend(s)
  local parts, from = {}, 1
  while true do
    local length, bad = utf8.len(s, from)
    if length then break end
    parts[#parts + 1] = s:sub(from, bad - 1) .. "\u{FFFD}"
    from = bad + 1
  end
  parts[#parts + 1] = s:sub(from)
  return table.concat(parts)
end

local function quote(s)
  if not utf8.len(s) then s = mend(s) end
  return '"' .. s:gsub('[%c"\\]', escape) .. '"'
end

local function refuse(what, path)
  local place = #path > 0 and " at " .. table.concat(path, ".") or ""
  errors.misuse("json.encode", ("%s cannot be written as JSON%s"):format(what, place))
end

-- The shortest digits that read back as the same float.
local function float(x, path)
  if x ~= x then refuse("NaN", path) end
  if x == math.huge or x == -math.huge then refuse("infinity", path) end
  for digits = 15, 17 do
    local text = ("%." .. digits .. "g"):format(x)
    if tonumber(text) == x or digits == 17 then
      return (text:gsub(",", ".")) -- a host program's locale
    end
  end
end

-- Whether the table is a list: marked as one, or with the keys 1 to n and no others.
local function is_list(t, path)
  if getmetatable(t) == Array then return true end
  local integers, strings = 0, 0
  for key in next, t do
    if type(key) == "string" then
      strings = strings + 1
    elseif math.type(key) == "integer" then
      integers = integers + 1
    else
      refuse("a table with a key that is a " .. type(key), path)
    end
  end
  if integers == 0 then return false end
  if strings > 0 then refuse("a table that is a list and has named fields as well", path) end
  if integers ~= #t then refuse("a list with gaps", path) end
  return true
end

-- The keys in order: first those that `leading` names, then the others sorted.
local function ordered_keys(t, leading)
  local keys, seen = {}, {}
  for _, key in ipairs(leading or {}) do
    if t[key] ~= nil and not seen[key] then
      keys[#keys + 1], seen[key] = key, true
    end
  end
  local others = {}
  for key in next, t do
    if not seen[key] then others[#others + 1] = key end
  end
  table.sort(others)
  return table.move(others, 1, #others, #keys + 1, keys)
end

local write

local function write_list(t, out, path, open)
  out[#out + 1] = "["
  for i = 1, #t do
    if i > 1 then out[#out + 1] = "," end
    path[#path + 1] = i
    write(t[i], out, path, open)
    path[#path] = nil
  end
  out[#out + 1] = "]"
end

local function write_object(t, out, path, open, leading)
  out[#out + 1] = "{"
  for i, key in ipairs(ordered_keys(t, leading)) do
    out[#out + 1] = (i > 1 and "," or "") .. quote(key) .. ":"
    path[#path + 1] = key
    write(t[key], out, path, open)
    path[#path] = nil
  end
  out[#out + 1] = "}"
end

-- `open`: the tables that `value` lies in. `leading` is for the outermost one.
function write(value, out, path, open, leading)
  local kind = type(value)
  if kind == "string" then
    out[#out + 1] = quote(value)
  elseif kind == "number" then
    out[#out + 1] = math.type(value) == "integer" and ("%d"):format(value) or float(value, path)
  elseif kind == "boolean" then
    out[#out + 1] = tostring(value)
  elseif value == json.null then
    out[#out + 1] = "null"
  elseif kind == "table" then
    if open[value] then refuse("a table that contains itself", path) end
    open[value] = true
    local list = is_list(value, path);
    (list and write_list or write_object)(value, out, path, open, leading)
    open[value] = nil
  else
    local secret = kind == "userdata" and tostring(value) == "<secret>"
    refuse(secret and "a Secret" or "a " .. kind, path)
  end
end

--- The value as JSON, in one line, with the keys of objects sorted.
--
-- Tables with the keys 1 to n, and those marked by json.array, are lists; all others are objects. Metatables
-- do not count otherwise, so an error object is written with its fields. Raises for what JSON cannot say
-- (NaN, infinity, functions, cycles, lists with gaps) and for a Secret, and names the place. Bytes that are
-- not UTF-8 become U+FFFD.
--- @param value any
--- @param options? { leading: string[] } keys of the outermost object that come first
--- @return string
function json.encode(value, options)
  errors.check_options("json.encode", options or {}, { leading = "table" })
  local out = {}
  write(value, out, {}, {}, options and options.leading)
  return table.concat(out)
end

-- --- reading ----------------------------------------------------------------------------------------------

local EXACT = 2.0 ^ 53

local function repair(value, drop_null)
  if math.type(value) == "float" and value > -EXACT and value < EXACT then
    return math.tointeger(value) or value
  end
  if type(value) == "table" then
    for key, member in next, value do
      if drop_null and member == json.null and type(key) == "string" then
        value[key] = nil
      else
        value[key] = repair(member, drop_null)
      end
    end
  end
  return value
end

--- Reads JSON. Whole numbers below 2^53 become integers; null becomes json.null, or, as a member of an object
-- and with drop_null, nothing. An empty list and an empty object read the same.
--- @param text string
--- @param options? { drop_null: boolean }
--- @return any value, or nil and an error of code "json.invalid"
function json.decode(text, options)
  if type(text) ~= "string" then errors.misuse("json.decode", "a string expected, got " .. type(text)) end
  errors.check_options("json.decode", options or {}, { drop_null = "boolean" })
  local value, problem = cjson.decode(text)
  if value == nil then
    return nil, errors.new("json.invalid", "json.decode", "not JSON: " .. problem)
  end
  return repair(value, options and options.drop_null)
end

return json
