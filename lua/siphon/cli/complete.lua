--- siphon complete WORD...: what the last word of a command line can become. The shells' completion asks it, and so
-- knows every command and option that there is, without a list of its own.
--
-- One candidate a line, its description behind a tab. A line ":files" or ":directories" says that the shell's own
-- names of files fit too. Silent when there is nothing to offer, whatever the reason; the exit code is always 0.

local options = require "siphon.cli.options"
local values = require "siphon.cli.values"

local command = {}

local MOST = 500

local function parser()
  local p = options.parser("complete", "Says what the last word of a command line can become; for the completion of "
    .. "shells.")
  p:argument("word", "The words behind `siphon`, the one that is being written included."):args "*"
  return p:epilog [[
One candidate a line, its description behind a tab. The lines :files and :directories stand for the names of files.
What the cluster is asked for is read only, and given up after a second.]]
end

-- --- what a command takes -----------------------------------------------------------------------------------

-- "The first sentence" of a description.
local function short(text)
  text = (text or ""):gsub("%s+", " ")
  return text:match "^(.-)%. " or text:gsub("[.:]$", "")
end

local function element_of(element)
  return { target = element._target or element:_get_default_target(), kind = element._argname
    and (type(element._argname) == "table" and element._argname[1] or element._argname),
    takes = element._maxargs ~= 0, most = element._maxargs, description = short(element._description),
    repeated = element._maxcount ~= 1 }
end

-- Elements of the parser: { options = { name = element }, names = list, arguments = list }.
local function taken_by(p)
  local taken = { options = {}, names = {}, arguments = {} }
  for _, option in ipairs(p._options) do
    local element = element_of(option)
    for _, name in ipairs(option._aliases) do
      taken.options[name] = element
      taken.names[#taken.names + 1] = name
    end
  end
  for _, argument in ipairs(p._arguments) do taken.arguments[#taken.arguments + 1] = element_of(argument) end
  return taken
end

--- complete.taken(name, subcommand) -> what siphon NAME takes: { options, names, arguments }, or nil when there is no
-- such command, or when it wants a subcommand first.
function command.taken(name, subcommand)
  for _, known in ipairs(require("siphon.cli").commands) do
    if known[1] == name then
      local found, main = pcall(require, "siphon.cli." .. name)
      if not found or main.subcommands and not subcommand then return nil end
      local p = options.parser_of(function()
        return main.main(subcommand and { subcommand, "--help" } or { "--help" }, {}, name)
      end)
      return p and taken_by(p)
    end
  end
end

-- --- where in the line the last word is -----------------------------------------------------------------------

local function keep(given, element, value)
  given[element.target] = value
end

-- Reads the words before the last: returns what they say, and what the last one is: the value of an option or an
-- argument (an element, or nil for an option's name).
local function read(taken, list, from)
  local given, position, used, i = {}, 1, 0, from
  while i < #list do
    local word = list[i]
    local name, value = word:match "^(%-%-[^=]+)=(.*)$"
    local option = taken.options[name or word]
    if option and not option.takes or word:sub(1, 1) == "-" and #word > 1 and not option then
      i = i + 1
    elseif option and value then
      keep(given, option, value)
      i = i + 1
    elseif option then
      if i + 1 == #list then return given, option end
      keep(given, option, list[i + 1])
      i = i + 2
    else
      local argument = taken.arguments[position]
      used = used + 1
      if argument and used >= argument.most then position, used = position + 1, 0 end
      i = i + 1
    end
  end
  return given, nil, taken.arguments[position]
end

-- --- candidates ------------------------------------------------------------------------------------------------

-- Those that begin with `start`, each once, not too many.
local function matching(list, start)
  local seen, fitting = {}, {}
  for _, candidate in ipairs(list) do
    local word = candidate:match "^[^\t]*"
    local marker = word == values.FILES or word == values.DIRECTORIES
    if (marker or word:sub(1, #start) == start) and not seen[word] and not word:find "%s" and #fitting < MOST then
      seen[word] = true
      fitting[#fitting + 1] = candidate
    end
  end
  return fitting
end

local function option_names(taken)
  local list = {}
  for _, name in ipairs(taken.names) do
    list[#list + 1] = ("%s\t%s"):format(name, taken.options[name].description)
  end
  table.sort(list)
  return list
end

local function commands()
  local list = {}
  for i, known in ipairs(require("siphon.cli").commands) do list[i] = ("%s\t%s"):format(known[1], known[2]) end
  return list
end

-- For a command whose words begin at `from`.
local function of_command(name, taken, list, from)
  local last = list[#list]
  local given, option, argument = read(taken, list, from)
  if option then return matching(values.of(option, given, last, name), last) end
  local long, value = last:match "^(%-%-[^=]+)=(.*)$"
  if long then
    local element, prefixed = taken.options[long], {}
    for i, word in ipairs(element and matching(values.of(element, given, value, name), value) or {}) do
      prefixed[i] = word:sub(1, 1) == ":" and word or long .. "=" .. word
    end
    return prefixed
  end
  if last:sub(1, 1) == "-" then return matching(option_names(taken), last) end
  if argument then return matching(values.of(argument, given, last, name), last) end
  return last == "" and option_names(taken) or {}
end

-- The options that may come before the command, as `copy` has them.
local function leading(list, i)
  local taken, known = command.taken "copy", require("siphon.cli").leading
  local only = { options = {}, names = {}, arguments = {} }
  for name, element in pairs(taken.options) do
    if known[name] then
      only.options[name] = element
      only.names[#only.names + 1] = name
    end
  end
  while i < #list and list[i]:sub(1, 1) == "-" do
    if known[list[i]] then
      if i + 1 == #list then return nil, values.of(only.options[list[i]], {}, list[#list]) end
      i = i + 1
    end
    i = i + 1
  end
  if i == #list and list[i]:sub(1, 1) == "-" then
    local names = option_names(only)
    table.move({ "--help\tlist the commands", "--version\tprint the version" }, 1, 2, #names + 1, names)
    return nil, matching(names, list[i])
  end
  return i
end

local function candidates(list)
  local at, found = leading(list, 1)
  if not at then return matching(found, list[#list]) end
  if at == #list then return matching(commands(), list[at]) end
  local name = list[at]
  if name == "help" then return at + 1 == #list and matching(commands(), list[#list]) or {} end
  local taken = command.taken(name)
  if taken then
    -- What was said before the command counts too.
    local words = table.move(list, 1, at - 1, 1, {})
    table.move(list, at + 1, #list, #words + 1, words)
    return of_command(name, taken, words, 1)
  end
  local found_main, main = pcall(require, "siphon.cli." .. name)
  local subcommands = found_main and main.subcommands
  if not subcommands then return {} end
  if at + 1 == #list then return matching(subcommands, list[#list]) end
  taken = command.taken(name, list[at + 1])
  return taken and of_command(name, taken, list, at + 2) or {}
end

--- Runs the command; returns the exit code.
function command.main(arguments)
  return options.guard(function()
    if #arguments == 1 and (arguments[1] == "--help" or arguments[1] == "-h") then parser():parse(arguments) end
    local list = table.move(arguments, arguments[1] == "--" and 2 or 1, #arguments, 1, {})
    if #list == 0 then list[1] = "" end
    local ok, found = pcall(candidates, list)
    for _, candidate in ipairs(ok and found or {}) do io.write(candidate, "\n") end
    return 0
  end)
end

return command
