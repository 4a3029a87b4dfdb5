--- siphon repl: Lua with all of siphon at a prompt, or from a pipe.

local exit = require "siphon.cli.exit"
local openstack = require "siphon.cli.openstack"
local options = require "siphon.cli.options"
local system = require("siphon.core").system

local command = {}

local STDIN, STDOUT = 0, 1

local function parser()
  local p = options.parser("repl", "Lua with all of siphon at a prompt; help() there explains. Without a terminal it "
    .. "reads stdin: no prompt, results on stdout, the end at the first error.")
  p:group("Output",
    p:option("--color", "\"auto\" (default), \"always\" or \"never\"."):argname "WHEN"
      :choices { "auto", "always", "never" },
    p:flag("--json", "Without a terminal: one JSON object a result."),
    p:flag("--keep-going", "Without a terminal: go on after an error."),
    p:flag("-v --verbose", "Say more when it fails."))
  options.ceph(p)
  openstack.cloud(p)
  return p:epilog [[
The prompt's history is in $XDG_STATE_HOME/siphon/history, without lines that may hold a secret. A session
begins with $XDG_CONFIG_HOME/siphon/replrc.lua, if there is one.]]
end

-- What was asked for goes before the environment (no-color.org).
local function wants_colour(when)
  if when == "always" then return true end
  return when ~= "never" and (os.getenv "NO_COLOR" or "") == ""
end

local function is_terminal()
  local term = os.getenv "TERM" or ""
  return system.isatty(STDIN) and system.isatty(STDOUT) and term ~= "" and term ~= "dumb"
end

local function session_options(parsed)
  return {
    connect = { conf = parsed.conf, cluster = parsed.cluster, id = parsed.id, name = parsed.name,
      keyring = parsed.keyring },
    cloud = { cloud = parsed.os_cloud, region_name = parsed.os_region_name, interface = parsed.os_interface,
      service_cloud = parsed.os_service_cloud },
    colour = wants_colour(parsed.color), json = parsed.json, keep_going = parsed.keep_going,
  }
end

--- Runs the command; returns the exit code or raises.
function command.main(arguments, leading)
  return options.run(parser(), arguments, leading, function(parsed)
    local asked = session_options(parsed)
    local has_editor, editor = pcall(require, "siphon.readline")
    if is_terminal() and has_editor then
      asked.editor = editor
      return require("siphon.repl.terminal").run(asked)
    end
    local failure = require("siphon.repl.pipe").run(asked)
    return failure and (failure.code == "lua.error" and exit.INTERNAL or exit.code_of(failure)) or 0
  end)
end

return command
