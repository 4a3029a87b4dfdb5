--- siphon run SCRIPT [ARG...]: a Lua script with the module as the global `siphon` and its arguments in
-- `arg`. Scripts are the user's own programs: they see all of Lua, unlike policies.

local errors = require "siphon.errors"
local exit = require "siphon.cli.exit"
local options = require "siphon.cli.options"
local task = require("siphon.core").task

local command = {}

local function parser()
  local p = options.parser("run", "Runs a Lua script with the module `siphon`.")
  p:argument("script", "Path of the script, or - for standard input.")
  p:argument("arg", "Handed to the script, options included."):args "*"
  return p:epilog "An error ends it with a traceback and exit code 70; os.exit(code) ends it with that code."
end

-- Everything behind the script's name is the script's own.
local function split(arguments)
  local script = arguments[1]
  if not script or script == "-h" or script == "--help" then parser():parse(arguments) end
  if script ~= "-" and script:sub(1, 1) == "-" then parser():parse { script } end
  local values = table.move(arguments, 2, #arguments, 1, {})
  values[0] = script
  return script, values
end

local function load_script(script)
  local chunk, problem
  if script == "-" then
    chunk, problem = load(io.read("a"), "=stdin")
  else
    chunk, problem = loadfile(script)
  end
  if not chunk then
    if problem:match("^cannot open") then
      errors.raise("ENOENT", nil, ("there is no script '%s'"):format(script))
    end
    errors.raise("script.syntax", nil, problem)
  end
  return chunk
end

-- os.exit would leave librados' threads running under exit(3); instead it ends the script's task, with all
-- that belongs to it, and the code is handed on.
local function start(chunk, values)
  local running, code
  os.exit = function(status) -- luacheck: ignore
    if status == nil or status == true then status = 0 elseif status == false then status = 1 end
    code = math.tointeger(status) or errors.misuse("os.exit", "a whole number expected")
    running:cancel()
    errors.raise("cancelled", "os.exit", "the script ended itself")
  end
  running = task.spawn(function()
    local _, err = xpcall(chunk, function(value)
      if errors.has_code(value, "cancelled") then return value end
      return errors.new("script.failed", nil, tostring(value), { traceback = debug.traceback(nil, 2) })
    end, table.unpack(values))
    return err
  end)
  local joined, err = pcall(running.join, running)
  return code, not joined and err or joined and err
end

--- Runs the command; returns the exit code or raises.
function command.main(arguments)
  return options.guard(function()
    local script, values = split(arguments)
    local chunk = load_script(script)
    _G.siphon, _G.arg = require "siphon", values
    local code, err = start(chunk, values)
    if code then return code end
    if err == nil then return exit.OK end
    if not errors.has_code(err, "script.failed") then error(err, 0) end
    io.stderr:write("siphon: ", err.message, "\n", err.traceback, "\n")
    return exit.INTERNAL
  end)
end

return command
