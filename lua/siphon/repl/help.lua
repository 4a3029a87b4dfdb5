--- help(): what there is, from the reference that is made of the comments beside the functions (siphon.reference).

local pretty = require "siphon.pretty"

local help = {}

local OVERVIEW = [[
siphon makes Glance images of RBD volumes. What you type is Lua; an expression shows its value.

  cluster:pools()                            the pools of this cluster
  images "volumes"                           the images in a pool
  plan("volumes/vm1", "glance:golden")       what a copy would do, and why
  copy("volumes/vm1", "glance:golden")       do it; Ctrl-C cancels and undoes
  spawn(copy, "volumes/vm1", "glance:new")   do it in the background
  :jobs   resume "ID"   undo "ID"            what was cut off: see it, go on with it, take it back

  image "volumes/vm1@monday"                 an open image: Tab after a ':' shows what it can do
  glance():list { status = "active" }        Glance's own records
  pool "volumes"                             an open pool

  help "copy"   help(siphon.rbd.create)   help "Image"   help "rbd"   explain one thing, or list a group
  :help         the commands that begin with a colon      Tab completes, also pools and images

Each answer is in _, several in _1, _2, ...; the last error is in err. A failure that can be expected is
nil and an error: `local x = assert(...)` raises it. Groups: %s.]]

local reference

-- The reference, read when it is first asked for. A tree that was not built has none.
local function entries()
  if not reference then
    local found, list = pcall(require, "siphon.reference")
    reference = found and list or {}
  end
  return reference
end

help.entries = entries

-- --- the classes of the core ------------------------------------------------------------------------------

-- The methods of a class, which lie behind a function where its objects have fields as well.
local function methods_of(metatable)
  local index = metatable and rawget(metatable, "__index")
  if type(index) ~= "function" or debug.getinfo(index, "S").what ~= "C" then return index end
  for i = 1, 2 do
    local _, value = debug.getupvalue(index, i)
    if type(value) == "table" then return value end
  end
end

help.methods_of = methods_of

--- "siphon.rbd.Image" -> the table of its methods, or nil.
function help.class(name)
  return methods_of(debug.getregistry()[name])
end

-- --- finding ----------------------------------------------------------------------------------------------

-- "siphon.rbd.create" -> the function, as far as it can be reached without running anything.
local function value_at(name, siphon)
  local class, method = name:match "^(.*):(.*)$"
  if class then
    local methods = help.class(class)
    return methods and methods[method]
  end
  local value = siphon
  for part in name:sub(#"siphon." + 1):gmatch "[^.]+" do
    if type(value) ~= "table" then return nil end
    value = rawget(value, part)
  end
  return value
end

local function of_function(fn, siphon)
  local info = debug.getinfo(fn, "S")
  for _, entry in ipairs(entries()) do
    if entry.place ~= "" then
      local file, line = entry.place:match "^(.*):(%d+)$"
      if info.linedefined == tonumber(line) and info.source:sub(-#file) == file then return { entry } end
    elseif value_at(entry.name, siphon) == fn then
      return { entry }
    end
  end
end

-- The entries of a module or class, its description first.
local function of_group(name)
  local list = {}
  for _, entry in ipairs(entries()) do
    if entry.name == name or entry.name:match "^(.*)[.:]" == name then list[#list + 1] = entry end
  end
  return #list > 0 and list or nil
end

-- By a name in full or by its end ("clone", "rbd.create", "Image:clone", "Image.clone"); the class may be left out
-- ("rbd.clone").
local function of_name(text)
  text = text:gsub("%(.*$", ""):gsub("^%s+", ""):gsub("%s+$", "")
  local exact, ending = {}, {}
  local wanted = text:gsub(":", ".")
  local function is_end_of(name) return name:sub(-#wanted - 1) == "." .. wanted end
  for _, entry in ipairs(entries()) do
    local name = entry.name:gsub(":", ".")
    if name == wanted then
      exact[#exact + 1] = entry
    elseif is_end_of(name) or is_end_of((name:gsub("%.%u%w*(%.[%w_]+)$", "%1"))) then
      ending[#ending + 1] = entry
    end
  end
  if text == "copy" or text == "plan" then -- and not what happens to end so
    return of_name("siphon." .. text)
  end
  return #exact > 0 and exact or #ending > 0 and ending or nil
end

local function group_names()
  local seen, names = {}, {}
  for _, entry in ipairs(entries()) do
    local name = (entry.name:match "^(.*)[.:]" or entry.name):gsub("^siphon%.", "")
    if not seen[name] and not name:find "^core" then
      seen[name] = true
      names[#names + 1] = name
    end
  end
  table.sort(names)
  return names
end

-- --- showing ----------------------------------------------------------------------------------------------

local function summary(entry)
  return entry.text:gsub("\n", " "):match "^(.-%.)%f[%s\0]" or entry.text:gsub("\n", " ")
end

local function whole(entry)
  local about = entry.kind == "class" or entry.kind == "module"
  return (about and entry.name or entry.signature) .. (entry.text ~= "" and "\n" .. entry.text or "")
end

local function listing(list, width)
  local lines = {}
  for _, entry in ipairs(list) do
    if entry.kind == "class" or entry.kind == "module" then
      lines[#lines + 1] = whole(entry) .. "\n"
    else
      lines[#lines + 1] = entry.signature
      for _, line in ipairs(pretty.wrap(summary(entry), width - 4)) do lines[#lines + 1] = "    " .. line end
    end
  end
  return table.concat(lines, "\n")
end

-- The group that a text names: "rbd", "Image", "siphon.rbd.Image".
local function group_of(text)
  for _, name in ipairs(group_names()) do
    if name == text or "siphon." .. name == text or name:match "[^.]+$" == text then
      return of_group(name == "siphon" and name or "siphon." .. name)
    end
  end
end

local function about_text(text, width)
  local found = of_name(text)
  local single = found and #found == 1 and found[1]
  if single and single.kind ~= "class" and single.kind ~= "module" then return whole(single) end
  local group = group_of(text)
  if group then return listing(group, width) end
  if single then return whole(single) end
  if found then return listing(found, width) end
  local names = {}
  for i, entry in ipairs(entries()) do names[i] = entry.name:match "[%w_]+$" end
  return ("nothing is known about '%s'%s"):format(text, require("siphon.nearest").hint(text, names))
end

-- The group of an object: its metatable's name; of a module's table: what it is called.
local function group_of_value(value, siphon)
  local metatable = debug.getmetatable(value)
  if metatable and rawget(metatable, "__name") then return metatable.__name end
  for _, name in ipairs(group_names()) do
    local full = "siphon." .. name
    if help.class(full) == value or value_at(full, siphon) == value then return full end
  end
  if value == siphon then return "siphon" end
end

--- The text about a value (a function, an object, a module, a name), or, without one, about everything.
function help.text(value, siphon, width)
  if value == nil then return OVERVIEW:format(table.concat(group_names(), ", ")) end
  if type(value) == "string" then return about_text(value, width) end
  local found
  if type(value) == "function" then
    found = of_function(value, siphon)
    return found and whole(found[1]) or "nothing is written about this function"
  end
  local name = group_of_value(value, siphon)
  local group = name and of_group(name)
  return group and listing(group, width) or "nothing is written about this " .. type(value)
end

--- help(), for a session; also puts the classes of the core where they can be pointed at: siphon.rbd.Image.
function help.of(session, env)
  local siphon = require "siphon"
  for _, entry in ipairs(entries()) do
    local module, class = entry.name:match "^siphon%.(%l+)%.(%u%w*)$"
    if entry.kind == "class" and type(rawget(siphon, module)) == "table" then
      siphon[module][class] = help.class(entry.name)
    end
  end
  return function(...)
    local value = ...
    if select("#", ...) > 0 and value == nil then
      return session:say "that is nil: help \"name\" looks a name up"
    end
    for _, name in ipairs { "copy", "plan" } do
      if value == env[name] then value = "siphon." .. name end
    end
    for _, name in ipairs { "resume", "undo" } do
      if value == env[name] or value == name then value = "siphon.jobs." .. name end
    end
    if value == env.siphon then value = siphon end
    session:say(help.text(value, siphon, session.front:width()))
  end
end

return help
