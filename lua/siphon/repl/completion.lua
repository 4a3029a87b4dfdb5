--- What Tab offers: commands, variables, fields, methods, option names inside `f {`, and inside a string the names of
-- pools, images, snapshots, policies and routes, or the ids of jobs.
--
-- Looking never runs anything of the session's: fields are read raw, along `__index` tables, and what a function would
-- answer is left out.

local help = require "siphon.repl.help"

local completion = {}

local Completer = {}
Completer.__index = Completer

local MOST = 300
local DEPTH = 5 -- of metatables

function completion.new(session)
  return setmetatable({ session = session, names = session.names }, Completer)
end

-- Collects the words that begin with `start`, each once.
local function matching(words, start)
  local seen, list = {}, {}
  for _, word in ipairs(words) do
    if #list == MOST then break end
    if word:sub(1, #start) == start and not seen[word] then
      seen[word] = true
      list[#list + 1] = word
    end
  end
  table.sort(list)
  return list
end

-- --- values -----------------------------------------------------------------------------------------------

-- The table that a value's missing fields come from, if it is one.
local function behind(value)
  local metatable = debug.getmetatable(value)
  if type(metatable) ~= "table" then return nil end
  local index = help.methods_of(metatable)
  return type(index) == "table" and index or nil
end

local function field(value, key)
  for _ = 1, DEPTH do
    if type(value) == "table" then
      local found = rawget(value, key)
      if found ~= nil then return found end
    end
    value = behind(value)
    if value == nil then return nil end
  end
end

-- What the reference tells of: the fields of a class, the modules that are not loaded yet.
local function documented(name, words)
  for _, entry in ipairs(help.entries()) do
    local owner, short = entry.name:match "^(.*)[.:]([%w_]+)$"
    if owner == name then words[#words + 1] = short end
    if entry.name == name and entry.kind == "class" then
      for list in ("\n" .. entry.text):gmatch "\n%- ([%l_.,%s]-):" do
        for word in list:gmatch "%.([%l_]+)" do words[#words + 1] = word end
      end
    end
  end
end

local function keys_of(value, only_functions)
  local words, start = {}, value
  for _ = 1, DEPTH do
    if type(value) == "table" then
      for key, member in next, value do
        local fits = type(key) == "string" and key:find "^[%a_][%w_]*$" and key:sub(1, 2) ~= "__"
        if fits and (not only_functions or type(member) == "function") then words[#words + 1] = key end
        if #words > 10 * MOST then break end
      end
    end
    value = behind(value)
    if value == nil then break end
  end
  local metatable = debug.getmetatable(start)
  local name = type(metatable) == "table" and rawget(metatable, "__name")
  if type(name) == "string" and not only_functions then documented(name, words) end
  return words
end

-- The value of "a.b.c", looked up raw; nil when something on the way is not there.
function Completer:value(path)
  local value = self.session.env
  for part in path:gmatch "[%a_][%w_]*" do
    local found = field(value, part)
    if found == nil and value == self.session.env then found = rawget(_G, part) end
    if found == nil then return nil end
    value = found
  end
  return value
end

local KEYWORDS = { "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in",
  "local", "nil", "not", "or", "repeat", "return", "then", "true", "until", "while" }

local function names_in(self, path, separator)
  local value = self:value(path)
  if value == nil then return {} end
  local words = keys_of(value, separator == ":")
  if value == self.session.env.siphon then
    documented("siphon", words)
    for _, entry in ipairs(help.entries()) do words[#words + 1] = entry.name:match "^siphon%.(%l+)" end
  end
  return words
end

-- --- options ----------------------------------------------------------------------------------------------

-- The text behind the innermost brace that is still open, and what stands before it; nil when there is none.
local function open_brace(text)
  local depth = 0
  for i = #text, 1, -1 do
    local c = text:sub(i, i)
    if c == "}" then
      depth = depth + 1
    elseif c == "{" then
      if depth == 0 then return text:sub(1, i - 1), text:sub(i + 1) end
      depth = depth - 1
    end
  end
end

-- The names of options as the reference writes them: "- a, b: ...", "  name   what it is", "{a=, b=}".
local function option_names(entry)
  local words = {}
  for list in ("\n" .. entry.text):gmatch "\n%- ([%l_%d, ]-):" do
    for word in list:gmatch "[%l_]+" do words[#words + 1] = word end
  end
  for list in ("\n" .. entry.text):gmatch "\n   ?([%l_][%l_, ]-)  +%S" do
    for word in list:gmatch "[%l_]+" do words[#words + 1] = word end
  end
  for list in ("\n" .. entry.text):gmatch "\n%- options[^:]*: ?(.*)" do
    for word in list:gmatch "%f[%w_]([%l_]+)[,:;]" do words[#words + 1] = word end
  end
  for word in (entry.signature:match "{(.-)}" or ""):gmatch "([%l_]+)=" do words[#words + 1] = word end
  return words
end

-- The reference's entry for the function whose call ends the text: "siphon.rbd.create(pool, name, ".
function Completer:called(text)
  local path = text:match "([%a_][%w_.:]*)%s*$" or text:match "([%a_][%w_.:]*)%s*%([^()]*$"
  if not path then return nil end
  if path == "copy" or path == "plan" then path = "siphon." .. path end
  local wanted = path:gsub(":", ".")
  local short = wanted:match "[%w_]+$"
  local by_end
  for _, entry in ipairs(help.entries()) do
    local name = entry.name:gsub(":", ".")
    if name == wanted or name == "siphon." .. wanted then return entry end
    if name:match "[%w_]+$" == short and (entry.kind == "method") == (path:find ":" ~= nil) then
      by_end = by_end or entry
    end
  end
  return by_end
end

-- --- strings ----------------------------------------------------------------------------------------------

-- The text of a string that is still open at the end, and what stands before its quote.
local function open_string(text)
  local quote, from
  local i = 1
  while i <= #text do
    local c = text:sub(i, i)
    if quote then
      if c == "\\" then i = i + 1 elseif c == quote then quote = nil end
    elseif c == '"' or c == "'" then
      quote, from = c, i
    elseif text:sub(i, i + 1) == "--" then
      return nil
    end
    i = i + 1
  end
  if quote then return text:sub(from + 1), text:sub(1, from - 1) end
end

local function policies()
  local list = {}
  for i, policy in ipairs(require("siphon.policy").list()) do list[i] = policy.name end
  return list
end

local VALUES = {
  policy = policies,
  route = function() return require("siphon.routes").names end,
  disk_format = function() return { "raw", "qcow2", "vmdk", "vdi", "vhd", "vhdx" } end,
  flatten = function() return { "host", "mgr" } end,
  visibility = function() return { "private", "shared", "community", "public" } end,
}

-- Calls that take the id of a job.
local TAKES_JOB = { resume = true, undo = true, ["jobs.resume"] = true, ["jobs.undo"] = true, ["jobs.show"] = true,
  ["jobs.cancel"] = true }

local function takes_job(before)
  local call = before:match "([%a_][%w_.]*)%s*%(?%s*$" or before:match "spawn%s*%(%s*([%a_][%w_.]*)%s*,%s*$"
  return call ~= nil and TAKES_JOB[(call:gsub("^siphon%.", ""))] or false
end

local function ids_of(list)
  local ids = {}
  for i, job in ipairs(list) do ids[i] = job.id end
  return ids
end

function Completer:inside_string(text, before)
  if takes_job(before) then return matching(ids_of(self.names:jobs()), text) end
  local key = before:match "([%a_][%w_]*)%s*=%s*$"
  if key == "pool" or before:find "%f[%a_]pool%s*%(?%s*$" or before:find "%f[%a_]images%s*%(?%s*$" then
    return matching(self.names:pools(), text)
  end
  if key and VALUES[key] then return matching(VALUES[key](), text) end
  if before:find "%f[%a_]help%s*%(?%s*$" then
    local words = {}
    for i, entry in ipairs(help.entries()) do words[i] = entry.name:gsub("^siphon%.", "") end
    return matching(words, text)
  end
  local list = matching(self.names:specs(text), text)
  if ("glance:"):sub(1, #text) == text and text ~= "" then list[#list + 1] = "glance:" end
  return list
end

-- --- the whole --------------------------------------------------------------------------------------------

local function candidates(self, text)
  local command = text:match "^%s*:(.*)$"
  if command then
    return require("siphon.repl.commands").complete(command, matching, function() return ids_of(self.names:jobs()) end)
  end
  local inside, before = open_string(text)
  if inside then return inside, self:inside_string(inside, before) end
  local path, separator, start = text:match "([%a_][%w_.]*)([.:])([%w_]*)$"
  if path then return start, matching(names_in(self, path, separator), start) end
  start = text:match "[%a_]?[%w_]*$"
  local head, behind_brace = open_brace(text:sub(1, #text - #start))
  if head and behind_brace:find "^%s*$" or head and behind_brace:find "[,;]%s*$" then
    local entry = self:called(head)
    local list = entry and matching(option_names(entry), start) or {}
    for i, word in ipairs(list) do list[i] = word .. " = " end
    if #list > 0 then return start, list end
  end
  if start == "" and text:find "%S" then return start, {} end
  local words = keys_of(self.session.env)
  for _, more in ipairs { keys_of(_G), KEYWORDS, { "cluster" } } do
    table.move(more, 1, #more, #words + 1, words)
  end
  return start, matching(words, start)
end

--- For the text before the cursor: the part that is being completed, and what it can become. Never an error.
function Completer:complete(text)
  local ok, start, list = pcall(candidates, self, text)
  if not ok then return "", {} end
  return start, list
end

--- What all of the list begin with.
function completion.common(list)
  local common = list[1] or ""
  for _, word in ipairs(list) do
    while word:sub(1, #common) ~= common do common = common:sub(1, -2) end
  end
  return common
end

--- The list in columns, sorted downwards, each line at most `width` wide. Only what is behind the last '.', ':' or '/'
-- of what was typed is shown.
function completion.columns(list, width)
  local widest = 1
  for _, word in ipairs(list) do widest = math.max(widest, #word) end
  local count = math.max(1, (width + 2) // (widest + 2))
  local rows = (#list + count - 1) // count
  local lines = {}
  for row = 1, rows do
    local cells = {}
    for i = row, #list, rows do cells[#cells + 1] = list[i] .. (" "):rep(widest - #list[i]) end
    lines[row] = (table.concat(cells, "  "):gsub(" +$", ""))
  end
  return table.concat(lines, "\n")
end

return completion
