--- A worker as a service: lines on stdout for the journal of the system, readiness and a watchdog by NOTIFY_SOCKET
-- (sd_notify(3)), SIGHUP and SIGTERM.

local core = require "siphon.core"
local errors = require "siphon.errors"
local event = require "siphon.event"
local policies = require "siphon.policy"
local routes = require "siphon.routes"
local sinks = require "siphon.sinks"
local workers = require "siphon.worker"

local service = {}

local function write(text)
  io.stdout:write(text)
  io.stdout:flush()
end

-- Makes the sinks of the jobs' events: lines that begin with the job's id.
local function sinks_of(shown)
  if shown.json then return function() return sinks.json(write) end end
  if shown.quiet then return nil end
  return function(id)
    local lines = sinks.lines(function(text) write(id .. ": " .. text) end,
      { verbose = shown.verbose, no_progress = true })
    return function(e)
      lines(e)
      if e.event == "job.failed" and e.again then
        write(("%s: %s\n"):format(id, os.date("again after %Y-%m-%d %H:%M:%S", math.ceil(e.again))))
      end
    end
  end
end

-- What the worker itself has to say.
local function sayer(shown)
  if shown.json then
    local emitter = event.emitter(nil, { sinks.json(write) })
    return function(text) emitter:emit("log", { message = text }) end
  end
  return function(text)
    if not shown.quiet then write(text .. "\n") end
  end
end

-- Policies are read for each job. What is wrong with one is better known before a job needs it.
local function check_policies(say)
  routes.forget()
  local good, list = 0, policies.list()
  for _, entry in ipairs(list) do
    local loaded, err = policies.load(entry.path)
    if loaded then good = good + 1 else say(errors.line(err)) end
  end
  say(("%d of %d policies can be used"):format(good, #list))
end

local function tell(text) core.system.tell_service(text) end

-- The service manager's watchdog: half of its time between two signs of life from the loop.
local function watch_dog()
  local microseconds, pid = tonumber(os.getenv "WATCHDOG_USEC"), tonumber(os.getenv "WATCHDOG_PID")
  if not microseconds or microseconds <= 0 or (pid and pid ~= core.system.pid()) then return nil end
  return core.task.spawn(function()
    while true do
      tell "WATCHDOG=1"
      core.task.sleep(microseconds / 2e6)
    end
  end)
end

-- What a signal has the worker do.
local function answer(worker, say)
  local ends = false
  return function(signal)
    if signal == "HUP" and not core.system.isatty(0) then
      worker:later(function()
        tell "RELOADING=1"
        check_policies(say)
        tell "READY=1"
      end)
    elseif not ends then
      ends = true
      tell "STOPPING=1"
      say(("takes no more jobs; %d to finish%s"):format(worker:busy(), worker:busy() > 0
        and "; a second signal has them undone, and put back into the queue" or ""))
      worker:stop()
    else
      say(("%d jobs are undone, and put back into the queue"):format(worker:busy()))
      worker:abort()
    end
  end
end

--- Runs a worker until it is told to end, or has nothing to do where it may; raises when it cannot. options: those of
-- siphon.worker; shown: json, quiet, verbose.
function service.run(options, shown)
  local say = sayer(shown)
  options.sink = sinks_of(shown)
  options.say = function(text)
    if shown.quiet then io.stderr:write("siphon: ", text, "\n") else say(text) end
  end
  options.ready = function()
    tell "READY=1"
    say(("worker on %s (pid %d): %d at once"):format(core.system.hostname(), core.system.pid(),
      options.concurrency or 1))
  end
  local worker <close>, err = workers.new(options)
  if not worker then error(err, 0) end
  core.task.on_interrupt(answer(worker, say), true)
  local dog = watch_dog()
  local ok, problem = pcall(worker.run, worker)
  core.task.on_interrupt(nil)
  if dog then dog:cancel() end
  if not ok then error(problem, 0) end
end

return service
