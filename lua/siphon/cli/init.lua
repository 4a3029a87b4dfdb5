--- The `siphon` command: finds the command, runs it, turns its error into one line on stderr and an exit
-- code. Only what the command needs is loaded: the version and the list of commands need nothing, not even the core.

local cli = {}

local COMMANDS = {
  { "copy", "copy a volume to a Glance image or to another RBD image" },
  { "plan", "say what `copy` would do, and why" },
  { "submit", "put a copy into the queue, for a worker on any host" },
  { "batch", "submit many copies from a file, and wait for them" },
  { "worker", "do the jobs of the queue, and those that others abandoned" },
  { "jobs", "list the jobs of the cluster: queued, running, abandoned, failed" },
  { "job", "say what happened in one job, and what can be done about it" },
  { "report", "make an HTML page of what happened in jobs" },
  { "resume", "go on with a job that was cut off" },
  { "undo", "take back what a job did that was cut off" },
  { "cancel", "have a job stopped and undone, on whatever host it runs" },
  { "doctor", "say what works here and what does not, and what to do" },
  { "policies", "list the policies and where each was found" },
  { "policy", "check a policy against sample situations, or run its specs" },
  { "run", "run a Lua script with the module `siphon`" },
  { "repl", "Lua with all of siphon at a prompt; also `siphon` alone on a terminal" },
  { "complete", "say what a word of a command line can become, for shells" },
  { "help", "explain a command" },
  { "version", "print the version" },
}

local HELP = [[
Usage: siphon COMMAND [OPTION]... [ARGUMENT]...

Turns Ceph RBD volumes into Glance images inside the cluster.

Commands:
%s
`siphon COMMAND --help` explains one. The Ceph options of `rbd` (-c, --id, ...) may also come
before the command, and so may --os-cloud. Glance is found as `openstack` finds it: by OS_* or clouds.yaml.
]]

-- Options that may come before the command, all of which take a value.
local LEADING = {
  ["-c"] = true, ["--conf"] = true, ["--cluster"] = true, ["--id"] = true, ["-n"] = true, ["--name"] = true,
  ["-k"] = true, ["--keyring"] = true,
  ["--os-cloud"] = true, ["--os-region-name"] = true, ["--os-interface"] = true, ["--os-service-cloud"] = true,
  ["--os-endpoint"] = true, ["--os-token"] = true, ["--os-cacert"] = true,
}

cli.commands, cli.leading = COMMANDS, LEADING

local function print_help()
  local lines = {}
  for i, command in ipairs(COMMANDS) do lines[i] = ("  %-10s %s\n"):format(command[1], command[2]) end
  io.write(HELP:format(table.concat(lines)))
  return 0
end

local function print_version()
  io.write("siphon ", cli.version or require("siphon.core").version, "\n")
  return 0
end

local VERSION = { ["--version"] = true, ["-V"] = true, version = true }
local HELP_ALONE = { ["--help"] = true, ["-h"] = true, help = true }

local function command_names()
  local names = {}
  for i, command in ipairs(COMMANDS) do names[i] = command[1] end
  return names
end

local function usage(message)
  require("siphon.errors").raise("usage", nil, message)
end

-- `siphon` alone: somebody at a terminal wants to look around.
local function is_at_terminal()
  local system = require("siphon.core").system
  return system.isatty(0) and system.isatty(1)
end

-- Splits the arguments: the command's name, and its own arguments with the leading options moved behind it.
local function split(arguments)
  local leading, i = {}, 1
  while arguments[i] and arguments[i]:sub(1, 1) == "-" do
    local name = arguments[i]:match("^(%-%-[^=]+)=") or arguments[i]
    if not LEADING[name] then break end
    leading[#leading + 1] = arguments[i]
    if name == arguments[i] then
      i = i + 1
      leading[#leading + 1] = arguments[i]
    end
    i = i + 1
  end
  local rest = table.move(arguments, i + 1, #arguments, 1, {})
  return arguments[i], rest, leading
end

local function explain(name)
  if not name then return print_help() end
  return cli.dispatch { name, "--help" }
end

--- Runs the command that the arguments name; returns the exit code or raises.
function cli.dispatch(arguments)
  local name, rest, leading = split(arguments)
  if name == nil and is_at_terminal() then name = "repl" end
  if name == nil and #leading == 0 then return print_help() end
  if VERSION[name] then return print_version() end
  if HELP_ALONE[name] then return explain(name == "help" and rest[1]) end
  if name == nil then usage("the command is missing (`siphon --help` lists them)") end
  for _, known in ipairs(command_names()) do
    if known == name then return require("siphon.cli." .. name).main(rest, leading) end
  end
  local what = name:sub(1, 1) == "-" and "option" or "command"
  usage(("unknown %s '%s'%s (`siphon --help` lists them)"):format(what, name,
    require("siphon.nearest").hint(name, command_names())))
end

local function report(err, verbose)
  local errors = require "siphon.errors"
  io.stderr:write("siphon: ", errors.line(err), "\n")
  local cause = verbose and err.cause
  while cause do
    io.stderr:write("  because: ", tostring(cause), "\n")
    cause = cause.cause
  end
  if err.traceback and (verbose or err:is("lua.error", "misuse")) then
    io.stderr:write(err.traceback, "\n")
  end
end

local function is_verbose(arguments)
  for _, argument in ipairs(arguments) do
    if argument == "-v" or argument == "--verbose" then return true end
  end
  return false
end

--- The whole command. arguments: as in `arg`, without the program. Returns the exit code.
function cli.main(arguments)
  local function handler(value) return require("siphon.errors").handler(value) end
  local ok, result = xpcall(cli.dispatch, handler, arguments)
  io.stdout:flush()
  if ok then return result or 0 end
  -- Shielded, since the error of an interrupted command is to be told too.
  return require("siphon.core").task.shield(function()
    report(result, is_verbose(arguments))
    return require("siphon.cli.exit").code_of(result)
  end)
end

--- What the program calls: the same, in the engine's main task. version: the program's. What is answered without the
-- core is answered before the core is loaded.
function cli.start(arguments, version)
  cli.version = version
  local name = arguments[1]
  if VERSION[name] or HELP_ALONE[name] and not arguments[2] then return cli.dispatch(arguments) end
  return require("siphon.command").run(cli.main, arguments)
end

return cli
