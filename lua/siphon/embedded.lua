--- The Lua side of libsiphon: what a C program asks for, as JSON, becomes a call; its result becomes JSON again.
-- Loaded by core/lib alone. Nothing may be printed here and nothing may end the process: both belong to the host.

local errors = require "siphon.errors"
local event = require "siphon.event"
local json = require "siphon.json"

local embedded = {}

-- A list has the arguments; anything else is the only one.
local function arguments_of(text)
  if text == nil then return { n = 0 } end
  local value, err = json.decode(text, { drop_null = true })
  if err then error(errors.explain(err, "the arguments are " .. err.message), 0) end
  if not text:find "^%s*%[" then return { value, n = 1 } end
  local list = { n = #value }
  for i = 1, list.n do
    if value[i] ~= json.null then list[i] = value[i] end
  end
  return list
end

-- What a function of siphon's returned, as JSON; its failure is raised.
local function answer(value, err)
  if value == nil and err ~= nil then error(err, 0) end
  if value == nil then return "null" end
  return json.encode(value)
end

local function find(name)
  local value = require "siphon"
  for part in name:gmatch "[^.]+" do
    value = type(value) == "table" and value[part] or nil
  end
  if type(value) == "function" then return value end
  errors.misuse("siphon.call", ("there is no function '%s' in the module siphon"):format(name))
end

--- Calls the function of that name in the module siphon; returns its first result as JSON, raises its failure.
function embedded.call(name, arguments)
  local list = arguments_of(arguments)
  return answer(find(name)(table.unpack(list, 1, list.n)))
end

--- The same for a piece of Lua, which gets the arguments as `...`.
function embedded.call_text(text, arguments)
  local list = arguments_of(arguments)
  local chunk, problem = load(text, "=host", "t")
  if not chunk then errors.raise("script.syntax", "siphon.call", problem) end
  _G.siphon = require "siphon"
  return answer(chunk(table.unpack(list, 1, list.n)))
end

--- Makes the state one that lives in a host. `caller()` tells which call runs, `emit(text, call)` hands an event of it
-- to the host. Returns this module.
function embedded.open(caller, emit)
  event.default = function()
    local call = caller()
    return function(e) emit(json.encode(e), call) end
  end
  print = function(...) -- luacheck: ignore
    local words = table.pack(...)
    for i = 1, words.n do words[i] = tostring(words[i]) end
    event.log(table.concat(words, "\t"))
  end
  os.exit = function() -- luacheck: ignore
    errors.misuse("os.exit", "the process is the host's: it cannot be ended from here")
  end
  return embedded
end

return embedded
