--- Writes the reference: as a Lua module, as a manual page, as types for LuaLS. See read.lua for what an entry is.

local roff = require "roff"

local write = {}

-- The order of the sections; what is not named comes behind, by name.
local ORDER = {
  "siphon", "siphon.jobs", "siphon.spec", "siphon.facts", "siphon.policies", "siphon.routes", "siphon.task",
  "siphon.Task", "siphon.Semaphore", "siphon.Permit", "siphon.Error", "siphon.rados", "siphon.rados.Cluster",
  "siphon.rados.Pool", "siphon.rbd", "siphon.rbd.Image", "siphon.rbd.TemporarySnapshot", "siphon.glance",
  "siphon.glance.Client", "siphon.clouds", "siphon.Cloud", "siphon.keystone", "siphon.keystone.Identity",
  "siphon.http", "siphon.Secret",
}

-- { { title, entries }, ... }
local function sections(entries)
  local by_title, list, place = {}, {}, {}
  for i, title in ipairs(ORDER) do place[title] = i end
  for _, entry in ipairs(entries) do
    local section = by_title[entry.module]
    if not section then
      section = { title = entry.module }
      by_title[entry.module] = section
      list[#list + 1] = section
    end
    -- The description of the whole comes first.
    local whole = entry.kind == "module" or entry.kind == "class"
    table.insert(section, whole and 1 or #section + 1, entry)
  end
  table.sort(list, function(a, b)
    local x, y = place[a.title] or 99, place[b.title] or 99
    if x ~= y then return x < y end
    return a.title < b.title
  end)
  return list
end

--- The module siphon.reference: a list of { name, kind, signature, place (of a Lua function), text }.
function write.module(entries)
  local out = { "-- Made by docs/reference from the comments beside the functions. Change those.\nreturn {\n" }
  for _, section in ipairs(sections(entries)) do
    for _, entry in ipairs(section) do
      local place = entry.line and ("%s:%d"):format(entry.file:match "^lua/(.*)$", entry.line) or ""
      out[#out + 1] = ("  { name = %q, kind = %q, signature = %q, place = %q, text = %q },\n"):format(entry.name,
        entry.kind, entry.signature, place, table.concat(entry.lines, "\n"))
    end
  end
  out[#out + 1] = "}\n"
  return table.concat(out)
end

-- --- the manual page --------------------------------------------------------------------------------------

local HEAD = [[
.TH SIPHON-LUA 3 "" "siphon %s" "Lua modules"
.SH NAME
siphon-lua \- the Lua module of siphon
.SH SYNOPSIS
.nf
local siphon = require "siphon"
.fi
.SH DESCRIPTION
The same module in stock Lua 5.4, in policies (where most of it is closed), in
.B siphon run
and in
.BR "siphon repl" .
What looks blocking waits on a loop that all tasks share. A failure that can be expected is
.BR "nil, err" ;
misuse raises.
]]

--- siphon-lua(3)
function write.manual(entries, version)
  local out = { HEAD:format(version) }
  for _, section in ipairs(sections(entries)) do
    out[#out + 1] = (".SH %s\n"):format(roff.text(section.title))
    for _, entry in ipairs(section) do
      local text = roff.lines(entry.lines)
      if entry.kind == "module" or entry.kind == "class" then
        out[#out + 1] = text .. "\n"
      else
        out[#out + 1] = (".SS %s\n%s\n"):format(roff.text(entry.signature), text)
      end
    end
  end
  out[#out + 1] = ".SH SEE ALSO\n.BR siphon (1),\n.BR siphon\\-policy (7)\n"
  return (table.concat(out):gsub("\n\n+", "\n"))
end

-- --- types ------------------------------------------------------------------------------------------------

local BASIC = { boolean = "boolean", string = "string", integer = "integer", bytes = "integer", seconds = "number",
  columns = "integer", id = "string" }

-- What a signature says it returns, as far as LuaLS can use it.
local function returns(entry)
  local what = entry.signature:match "%->%s*(.*)$"
  if not what then return "" end
  local first = what:match "^([%a]+)" or ""
  local class = first:find "^%u"
  local kind = BASIC[first] or first == "true" and "boolean" or what:find "^{" and "table" or class and
    write.classes[first] or "any"
  local fails = what:find("nil, err", 1, true)
  return ("---@return %s%s\n%s"):format(kind, what:find "|%s*nil" and "|nil" or "",
    fails and "---@return siphon.Error? err\n" or "")
end

local function parameters(entry)
  local list = (entry.signature:match "%((.-)%)" or ""):gsub("%b{}", "entries")
  local names, annotations = {}, {}
  for word in list:gmatch "[^,]+" do
    local name = word:match "^%s*(%.%.%.)" or word:match "^%s*([%a_][%w_]*)"
    if name and name ~= "nil" then
      names[#names + 1] = name
      annotations[#annotations + 1] = ("---@param %s%s any\n"):format(name,
        name ~= "..." and (word:find "?" or word:find "=") and "?" or "")
    end
  end
  if entry.signature:find "^[%w_.:]+{" then names, annotations = { "options" }, { "---@param options table\n" } end
  return table.concat(names, ", "), table.concat(annotations)
end

--- The file for LuaLS.
function write.meta(entries)
  write.classes = {}
  local declared = {}
  local out = { "---@meta siphon\n-- Made by docs/reference. Change the comments beside the functions.\n" }
  for _, entry in ipairs(entries) do
    local owner = entry.kind == "method" and entry.module or entry.kind == "class" and entry.name
    if owner then write.classes[owner:match "[^.]+$"] = owner end
  end
  local function declare(name)
    if declared[name] then return end
    declared[name] = true
    out[#out + 1] = ("\n---@class %s\nlocal %s = {}\n"):format(name, name:gsub("%.", "_"))
  end
  for _, section in ipairs(sections(entries)) do
    declare(section.title)
    for _, entry in ipairs(section) do
      local short = entry.name:match "[.:]([%w_]+)$"
      if (entry.kind == "function" or entry.kind == "method") and not short:find "^__" then
        local owner = entry.name:match "^(.*)[.:]"
        declare(owner)
        local names, annotations = parameters(entry)
        out[#out + 1] = ("\n---%s\n%s%sfunction %s%s%s(%s) end\n"):format(
          table.concat(entry.lines, "\n---"), annotations, returns(entry), owner:gsub("%.", "_"),
          entry.kind == "method" and ":" or ".", short, names)
      end
    end
  end
  local names = {}
  for name in pairs(declared) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local owner, short = name:match "^(.*)%.(%l%w*)$"
    if owner and declared[owner] then
      out[#out + 1] = ("\n---@type %s\n%s.%s = nil\n"):format(name, owner:gsub("%.", "_"), short)
    end
  end
  out[#out + 1] = "\nreturn siphon\n"
  return table.concat(out)
end

return write
