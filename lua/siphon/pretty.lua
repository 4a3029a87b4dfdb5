--- Values as people read them: Lua's own notation, bounded in depth, in number and in length; lists of records as
-- tables with columns. Nothing that is printed runs code of the value's, but for a `__tostring`, and that guarded.

local progress = require "siphon.progress"

local pretty = {}

local LIMITS = { width = 80, depth = 5, items = 100, string = 400 }

local COLOURS = {
  string = "32", number = "36", boolean = "35", ["nil"] = "35", key = "0", other = "33", head = "1", dim = "2",
}

local KEYWORDS = {}
for word in ("and break do else elseif end false for function goto if in local nil not or repeat return then true"
  .. " until while"):gmatch "%a+" do KEYWORDS[word] = true end

-- A writer: options, and the tables that the value being written lies in.
local Writer = {}
Writer.__index = Writer

function Writer:paint(text, kind)
  if not self.colour or not COLOURS[kind] then return text end
  return ("\27[%sm%s\27[0m"):format(COLOURS[kind], text)
end

local ESCAPES = { ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ['"'] = '\\"', ["\\"] = "\\\\" }

local function escape_byte(c)
  return ESCAPES[c] or ("\\x%02x"):format(c:byte())
end

-- Text without control characters; what is not UTF-8 as \xNN.
local function printable(text)
  if utf8.len(text) then return (text:gsub('[%c"\\\127]', escape_byte)) end
  return (text:gsub('[%c"\\\127-\255]', escape_byte))
end

function Writer:quoted(text)
  local more = ""
  if #text > self.string then
    local last = utf8.len(text) and utf8.offset(text, 0, self.string + 1) - 1 or self.string
    more = (" .. (%d more bytes)"):format(#text - last)
    text = text:sub(1, last)
  end
  return self:paint('"' .. printable(text) .. '"', "string") .. self:paint(more, "dim")
end

local function is_name(key)
  return type(key) == "string" and key:find "^[%a_][%w_]*$" and not KEYWORDS[key]
end

-- What a `__tostring` or a `__name` makes of the value, or nil when it has neither. Only the first line: more would
-- break the layout.
local function named(value)
  local metatable = debug.getmetatable(value)
  if type(metatable) ~= "table" then return nil end
  local to_string, name = rawget(metatable, "__tostring"), rawget(metatable, "__name")
  if not to_string and (type(value) == "table" or not name) then return nil end
  local ok, text = pcall(tostring, value)
  if not ok or type(text) ~= "string" then return ("<%s that cannot be printed>"):format(name or type(value)) end
  return (text:gsub("[\r\n].*", " ..."):gsub("%c", escape_byte))
end

-- What needs no layout: one piece of text, or nil for a table to be opened.
function Writer:scalar(value)
  local kind = type(value)
  if kind == "string" then return self:quoted(value) end
  if kind == "number" or kind == "boolean" or kind == "nil" then return self:paint(tostring(value), kind) end
  local text = named(value)
  if text then return self:paint("<" .. text:gsub("^<(.*)>$", "%1") .. ">", "other") end
  if kind ~= "table" then return self:paint("<" .. kind .. ">", "other") end
  if next(value) == nil then return "{}" end
  if self.open[value] then return self:paint("<itself>", "other") end
  if self.level >= self.depth then return self:paint("{ ... }", "dim") end
end

-- Keys in the order in which they are shown: the list part, then by kind and name.
local function ordered(t)
  local keys, length = {}, rawlen(t)
  for key in next, t do
    if not (math.type(key) == "integer" and key >= 1 and key <= length) then keys[#keys + 1] = key end
  end
  table.sort(keys, function(a, b)
    local x, y = type(a), type(b)
    if x ~= y then return x < y end
    if x == "number" or x == "string" then return a < b end
    return false
  end)
  return length, keys
end

function Writer:key(key)
  if is_name(key) then return self:paint(key, "key") end
  return "[" .. (self:scalar(key) or self:paint("<table>", "other")) .. "]"
end

local function columns_of(text)
  return progress.columns((text:gsub("\27%[[%d;]*m", "")))
end

-- The entries of a table, each as one text that may have several lines.
function Writer:entries(t, indent)
  local length, keys = ordered(t)
  local parts, left = {}, 0
  for i = 1, length do
    if #parts == self.items then left = left + 1 else parts[#parts + 1] = self:value(rawget(t, i), indent) end
  end
  for _, key in ipairs(keys) do
    if #parts == self.items then
      left = left + 1
    else
      parts[#parts + 1] = self:key(key) .. " = " .. self:value(rawget(t, key), indent)
    end
  end
  if left > 0 then parts[#parts + 1] = self:paint(("... %d more"):format(left), "dim") end
  return parts
end

--- On one line where it fits, else one entry a line.
function Writer:value(value, indent)
  local text = self:scalar(value)
  if text then return text end
  self.open[value], self.level = true, self.level + 1
  local parts = self:entries(value, indent + 2)
  self.open[value], self.level = nil, self.level - 1
  local line = "{ " .. table.concat(parts, ", ") .. " }"
  if not line:find "\n" and columns_of(line) + indent <= self.width then return line end
  local space = (" "):rep(indent + 2)
  return "{\n" .. space .. table.concat(parts, ",\n" .. space) .. ",\n" .. (" "):rep(indent) .. "}"
end

-- --- lists of records -------------------------------------------------------------------------------------

local function cell_text(value)
  if value == nil then return "" end
  if type(value) == "string" then return printable(value):gsub('\\"', '"') end
  if type(value) ~= "table" or named(value) then return named(value) or tostring(value) end
  local words = {}
  for i = 1, rawlen(value) do words[i] = cell_text(rawget(value, i)) end
  return table.concat(words, ",")
end

-- A value that a cell can show: no table but a short list of scalars.
local function fits_cell(value)
  if type(value) ~= "table" or named(value) then return true end
  local length, keys = ordered(value)
  if #keys > 0 or length > 8 then return false end
  for i = 1, length do
    if type(rawget(value, i)) == "table" then return false end
  end
  return true
end

-- The columns of a list of records, in order (what names a thing first), or nil when it is none.
local FIRST = { number = 1, id = 2, name = 3, pool = 4, namespace = 5, image = 6 }

local function record_columns(t)
  local length, others = ordered(t)
  if length < 1 or #others > 0 then return nil end
  local seen, columns = {}, {}
  for i = 1, length do
    local record = rawget(t, i)
    if type(record) ~= "table" or named(record) or rawlen(record) > 0 or next(record) == nil then return nil end
    for key, value in next, record do
      if not is_name(key) or not fits_cell(value) then return nil end
      if not seen[key] then
        seen[key] = true
        columns[#columns + 1] = key
      end
    end
  end
  table.sort(columns, function(a, b)
    local x, y = FIRST[a] or 99, FIRST[b] or 99
    if x ~= y then return x < y end
    return a < b
  end)
  return columns
end

local function pad(text, width, to_the_right)
  local space = (" "):rep(width - progress.columns(text))
  return to_the_right and space .. text or text .. space
end

-- A table with columns, or nil when the value is no list of records or the terminal is too narrow for it.
function Writer:records(t)
  local columns = type(t) == "table" and not named(t) and record_columns(t)
  if not columns then return nil end
  local rows, widths, numeric = {}, {}, {}
  for c, column in ipairs(columns) do widths[c], numeric[c] = progress.columns(column), true end
  for i = 1, math.min(rawlen(t), self.items) do
    rows[i] = {}
    for c, column in ipairs(columns) do
      local value = rawget(rawget(t, i), column)
      local text = cell_text(value)
      if #text > self.string then text = progress.cut(text, self.string, progress.ascii) end
      rows[i][c] = text
      widths[c] = math.max(widths[c], progress.columns(text))
      numeric[c] = numeric[c] and (value == nil or type(value) == "number")
    end
  end
  local total = -2
  for _, width in ipairs(widths) do total = total + width + 2 end
  if total > self.width then return nil end
  local lines = {}
  local function line(cells)
    local texts = {}
    for c, text in ipairs(cells) do texts[c] = pad(text, widths[c], numeric[c]) end
    return (table.concat(texts, "  "):gsub(" +$", ""))
  end
  lines[1] = self:paint(line(columns), "head")
  for _, row in ipairs(rows) do lines[#lines + 1] = line(row) end
  local left = rawlen(t) - #rows
  if left > 0 then lines[#lines + 1] = self:paint(("... %d more"):format(left), "dim") end
  return table.concat(lines, "\n")
end

--- The words of a text in lines of at most `width` columns, but for words that are longer themselves.
function pretty.wrap(text, width)
  local lines, line = {}, ""
  for word in text:gmatch "%S+" do
    if line ~= "" and progress.columns(line) + progress.columns(word) + 1 > width then
      lines[#lines + 1] = line
      line = word
    else
      line = line == "" and word or line .. " " .. word
    end
  end
  lines[#lines + 1] = line
  return lines
end

--- The value as text, without a newline at its end.
--- @param value any
--- @param options? { width: integer, depth: integer, items: integer, string: integer, colour: boolean } 80 columns,
--- 5 levels, 100 entries of a table, 400 bytes of a string, no colour
--- @return string
function pretty.format(value, options)
  options = options or {}
  local writer = setmetatable({ colour = options.colour, open = {}, level = 0 }, Writer)
  for name, default in pairs(LIMITS) do writer[name] = options[name] or default end
  return writer:records(value) or writer:value(value, 0)
end

return pretty
