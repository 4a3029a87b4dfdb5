--- siphon policy check NAME|FILE, siphon policy test DIR: for those who write policies. Neither needs a cluster.

local errors = require "siphon.errors"
local exit = require "siphon.cli.exit"
local options = require "siphon.cli.options"

local command = {}

local function check_parser()
  local p = options.parser("policy check",
    "Loads a policy and prints what it decides in a dozen realistic situations. Needs no cluster.")
  p:argument("policy", "A name on the policy path, or a file.")
  p:group("Output",
    p:flag("--json", "Print the decisions as one JSON list."),
    p:flag("--markdown", "Print a Markdown table."))
  return p:epilog "It ends with 65 when the policy does not load, or fails in one of the situations."
end

local function test_parser()
  local p = options.parser("policy test", "Runs the specs (*_spec.lua, of busted) in a directory. Needs no cluster.")
  p:argument("directory", "Where they are; a single file will do as well.")
  return p:epilog "The module siphon.testing makes up facts and jobs for them."
end

local function print_plain(list, decisions)
  for _, decision in ipairs(list) do
    local route, why = decisions.texts(decision)
    io.write(("%s\n  %-14s %s\n"):format(decision.situation, route, why))
  end
end

-- An error object is no plain data.
local function plain(list)
  local copies = {}
  for i, decision in ipairs(list) do
    local copy = {}
    for key, value in pairs(decision) do copy[key] = value end
    copy.error = copy.error and errors.plain(copy.error)
    copies[i] = copy
  end
  return copies
end

local function check(arguments, leading)
  return options.run(check_parser(), arguments, leading, function(parsed)
    local loaded, err = require("siphon.policy").load(parsed.policy)
    if not loaded then error(err, 0) end
    local decisions = require "siphon.decisions"
    local list = decisions.of(loaded)
    if parsed.json then
      io.write(require("siphon.json").encode(plain(list)), "\n")
    elseif parsed.markdown then
      io.write(decisions.markdown(list))
    else
      print_plain(list, decisions)
    end
    for _, decision in ipairs(list) do
      if decision.error then error(decision.error, 0) end
    end
    return exit.OK
  end)
end

-- busted ends its process; what it does in here is to say how it went.
local function run_busted(words)
  local ended = {}
  local real_exit, real_arg = os.exit, _G.arg
  os.exit = function(code) -- luacheck: ignore
    ended.code = code == nil and 0 or code == true and 0 or math.tointeger(code) or 1
    error(ended, 0)
  end
  _G.arg = words
  local found, runner = pcall(require, "busted.runner")
  local ok, problem
  if found then
    ok, problem = xpcall(runner, function(value) return value == ended and value or errors.handler(value) end,
      { standalone = false })
  end
  os.exit, _G.arg = real_exit, real_arg -- luacheck: ignore
  if not found then
    errors.raise("ENOENT", "policy.test", "busted is not installed for Lua 5.4 (Debian: lua-busted)")
  end
  if not ok and problem ~= ended then error(problem, 0) end
  return ended.code or 0
end

local function test(arguments, leading)
  return options.run(test_parser(), arguments, leading, function(parsed)
    local words = { "--ignore-lua", "--pattern=_spec", "--output=utfTerminal", parsed.directory }
    words[0] = "siphon policy test"
    local code = run_busted(words)
    io.stdout:flush()
    return code == 0 and exit.OK or exit.DATA
  end)
end

local COMMANDS = { check = check, test = test }

command.subcommands = { "check", "test" }

--- Runs the command; returns the exit code or raises.
function command.main(arguments, leading)
  local name = arguments[1]
  if name == nil then errors.raise("usage", nil, "the subcommand is missing: check or test") end
  if name == "-h" or name == "--help" then
    io.write("Usage: siphon policy check NAME|FILE\n       siphon policy test DIR\n\n"
      .. "`siphon policy check --help` and `siphon policy test --help` explain them.\n")
    return exit.OK
  end
  local run = COMMANDS[name]
  if not run then
    errors.raise("usage", nil, ("unknown subcommand 'policy %s'%s"):format(name,
      require("siphon.nearest").hint(name, command.subcommands)))
  end
  return run(table.move(arguments, 2, #arguments, 1, {}), leading)
end

return command
