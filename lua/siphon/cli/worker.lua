--- siphon worker: does the jobs of the queue, and those that others abandoned.

local openstack = require "siphon.cli.openstack"
local options = require "siphon.cli.options"

local command = {}

local EPILOG = [[
SIGTERM or SIGINT: takes no more jobs, and ends when those that run are over. A second one: they are undone, and go back
into the queue. SIGHUP: reads the policies again, says which are wrong, and looks at the queue. A worker that is killed
leaves its jobs to others.]]

local function parser()
  local p = options.parser("worker", "Does the jobs of the queue, and those that others abandoned, several at once.")
  p:group("Which jobs",
    p:flag("--once", "End when there is nothing to do just now."),
    options.journal_pool(p))
  options.limits(p)
  p:group("Output",
    p:flag("--json", "Print one event a line, as JSON."),
    p:flag("-q --quiet", "Print errors only."),
    p:flag("-v --verbose", "Say more: each step, and its time."))
  openstack.cloud(p)
  options.ceph(p)
  return p:epilog(EPILOG)
end

local function run(parsed)
  require("siphon.service").run({
    caller = options.caller(parsed), concurrency = parsed.concurrency, per_pool = parsed.per_pool, once = parsed.once,
    poll = parsed.poll, max_rate = parsed.max_rate, max_in_flight = parsed.max_in_flight,
  }, { json = parsed.json, quiet = parsed.quiet, verbose = parsed.verbose })
  return 0
end

--- Runs the command; returns the exit code or raises.
function command.main(arguments, leading)
  return options.run(parser(), arguments, leading, run)
end

return command
