--- siphon batch FILE: many copies, submitted together and waited for.

local exit = require "siphon.cli.exit"
local openstack = require "siphon.cli.openstack"
local options = require "siphon.cli.options"

local command = {}

local EPILOG = [[
FILE has one JSON object a line, with the options of a copy as Lua and libsiphon name them:
  {"source": "volumes/vm1", "target": "glance:golden", "priority": 5, "properties": {"os_distro": "debian"}}
or is a Lua script (*.lua) that returns a list of such tables, or a function that gives one at a call.
All of it is checked before anything is submitted. Ctrl-C undoes what runs, and takes the rest out of the queue.]]

local function parser()
  local p = options.parser("batch", "Submits many copies and waits for them: does them here, and where workers run.")
  p:argument("file", "JSON lines, or a Lua script; - for standard input.")
  p:flag("--submit-only", "Put them into the queue and print their ids; let workers do them.")
  options.queue(p)
  p:group("For those that do not say otherwise",
    p:option("--policy", "Policy that decides the route."):argname "NAME|FILE",
    p:option("--route", "Take this route, whatever the policy says."):argname "NAME",
    p:option("--pool", "Pool of Glance's images (default: what Glance tells)."):argname "POOL",
    options.journal_pool(p))
  options.limits(p)
  p:group("Output",
    p:flag("--json", "Print each job as `siphon jobs --json` does, and the total."),
    p:flag("-q --quiet", "Print errors only."))
  openstack.cloud(p)
  options.ceph(p)
  return p:epilog(EPILOG)
end

local function read(name)
  local file = name == "-" and io.stdin or io.open(name, "rb")
  local text = file and file:read "a"
  if file and name ~= "-" then file:close() end
  if not text then
    require("siphon.errors").raise("ENOENT", nil, ("there is no file '%s' that can be read"):format(name))
  end
  return text
end

local function defaults_of(parsed)
  local defaults = options.caller(parsed)
  for _, name in ipairs { "policy", "route", "pool", "priority", "not_before", "attempts" } do
    defaults[name] = parsed[name]
  end
  return defaults
end

-- Why a job is not done that has no error of its own.
local WHY = {
  undone = "undone", gone = "it ended, and the history has nothing of it any more",
  abandoned = "left alone, since everybody died who had it: `siphon job` and its id tell more",
}

local function print_line(job)
  if job.state == "done" then
    local image = job.image_id and (" (%s)"):format(job.image_id) or ""
    return ("done    %s  %s -> %s%s by route %s\n"):format(job.id, job.source, job.target, image, job.route)
  end
  local why = job.error and job.error.message or WHY[job.state] or "not over"
  return ("%-6s  %s  %s -> %s: %s\n"):format(job.state, job.id, job.source, job.target, why)
end

-- Follows the jobs to their end; returns what the command exits with.
local function follow(parsed, put, caller)
  local batch, core, json = require "siphon.batch", require "siphon.core", require "siphon.json"
  local began, told, code = core.task.now(), {}, exit.OK
  local count = { done = 0, failed = 0 }
  local function tell(job)
    local good = job.state == "done"
    count[good and "done" or "failed"] = count[good and "done" or "failed"] + 1
    if not good and code == exit.OK then
      code = job.error and exit.code_of(core.error(job.error)) or exit.DATA
    end
    if parsed.json then
      io.write(require("siphon.cli.jobs").as_json(job), "\n")
    elseif not (parsed.quiet and good) then
      io.write(print_line(job))
    end
    io.stdout:flush()
  end
  local only = {}
  for _, entry in ipairs(put) do only[entry.id] = true end
  local worker <close>, err = require("siphon.worker").new {
    caller = caller, concurrency = parsed.concurrency or 4, per_pool = parsed.per_pool, poll = parsed.poll or 2,
    max_rate = parsed.max_rate, max_in_flight = parsed.max_in_flight, only = only,
    looked = function(live) batch.tell(put, told, live, tell) end,
  }
  if not worker then error(err, 0) end
  local ok, problem = pcall(worker.run, worker)
  if not ok then
    core.task.shield(function() batch.cancel(put, told, caller) end)
    error(problem, 0)
  end
  batch.tell(put, told, nil, tell)
  local seconds = core.task.now() - began
  if parsed.json then
    io.write(json.encode { done = count.done, failed = count.failed, seconds = seconds }, "\n")
  elseif not parsed.quiet then
    io.write(("%d done, %d not, in %s\n"):format(count.done, count.failed, require("siphon.units").duration(seconds)))
  end
  return code
end

local function run(parsed)
  local batch, json = require "siphon.batch", require "siphon.json"
  local name = parsed.file == "-" and "standard input" or parsed.file
  local list, err = batch.read(name, read(parsed.file))
  if not list then error(err, 0) end
  local caller = options.caller(parsed)
  local here <close>, problem = require("siphon.connections").home(caller)
  if not here then error(problem, 0) end
  local put, failure = batch.submit(list, defaults_of(parsed), here)
  if not put then error(failure, 0) end
  if not parsed.submit_only then return follow(parsed, put, caller) end
  for _, entry in ipairs(put) do
    io.write(parsed.json and json.encode { job = entry.id } or entry.id, "\n")
  end
  return exit.OK
end

--- Runs the command; returns the exit code or raises.
function command.main(arguments, leading)
  return options.run(parser(), arguments, leading, run)
end

return command
