--- What a person works with at the prompt: the variables, the connections, the jobs; and how a line is evaluated.
--
-- Each line runs as a task of its own, so that primitives look blocking while background jobs go on. Tasks belong to
-- the session, not to the line that began them.
--
-- A session writes through its front (siphon.repl.terminal, siphon.repl.pipe), which has: write(text), whole lines that
-- appear above a prompt; sink(), for the events of a copy that is waited for; width(); and colour.

local core = require "siphon.core"
local chunk = require "siphon.repl.chunk"
local environment = require "siphon.repl.environment"
local errors = require "siphon.errors"
local jobs = require "siphon.repl.jobs"
local names = require "siphon.repl.names"
local pretty = require "siphon.pretty"

local session = {}

local Session = {}
Session.__index = Session

local KEPT = 9 -- results in _1 to _9

--- A new session. options: connect, what was said about the cluster (as siphon.rados.connect takes it); cloud, about
-- the cloud (as siphon.clouds.open takes it).
function session.new(front, options)
  local self = setmetatable({
    front = front, options = options, root = core.task.current(), output = "lua", connections = {},
  }, Session)
  self.jobs, self.names = jobs.new(self), names.new(self)
  self.env = environment.of(self)
  return self
end

--- What the session was told of the cluster and the cloud, as options of siphon.jobs.
function Session:caller()
  local asked, cloud = {}, self.options.cloud or {}
  for name, value in pairs(self.options.connect or {}) do asked[name] = value end
  for name, value in pairs(cloud) do asked["os_" .. (name == "cloud" and "cloud" or name)] = value end
  return asked
end

--- Writes text, or a value, as one or more whole lines.
function Session:say(text)
  self.front:write(text .. "\n")
end

--- Says what went wrong; `err` holds it from now on.
function Session:complain(err)
  self.env.err = err
  local code = errors.has_code(err, "lua.error")
  local line = errors.is(err) and (code and err.message or errors.line(err)) or tostring(err)
  self:say(self.front.colour and ("\27[31m%s\27[0m"):format(line) or line)
end

-- --- printing ---------------------------------------------------------------------------------------------

local WRITERS = {}

function WRITERS.lua(self, value)
  return pretty.format(value, { width = self.front:width(), colour = self.front.colour })
end

function WRITERS.json(_, value)
  return require("siphon.json").encode(value == nil and require("siphon.json").null or value)
end

function WRITERS.yaml(_, value)
  return (require("lyaml").dump({ value }):gsub("^%-%-%- ?", ""):gsub("%.%.%.\n$", ""):gsub("\n$", ""))
end

--- The names of what `:set output` can be.
session.OUTPUTS = { "lua", "json", "yaml" }

-- A value in the chosen notation; in Lua's where the chosen one cannot say it.
function Session:text_of(value)
  local ok, text = pcall(WRITERS[self.output], self, value)
  if ok then return text end
  return WRITERS.lua(self, value)
end

-- Several results are numbered, as the variables are that hold them.
local function show(self, results)
  local n = results.n
  while n > 1 and results[n] == nil do n = n - 1 end -- the error that there was not
  for i = 1, n do
    local text = self:text_of(results[i])
    local head = n > 1 and self.output == "lua" and ("_%d = "):format(i) or ""
    self:say(head .. text)
  end
end

local function keep(env, results)
  if results.n == 0 then return end
  env._ = results[1]
  for i = 1, KEPT do env["_" .. i] = results[i] end
end

-- --- evaluating -------------------------------------------------------------------------------------------

-- Runs in the line's task: a `__tostring` that takes for ever can be interrupted like all else.
local function run_and_show(self, fn)
  local results = table.pack(fn())
  local failed = results.n > 1 and results[1] == nil and errors.is(results[2])
  if self.front.take then return self.front:take(results, failed) end
  keep(self.env, results)
  if failed then
    core.task.shield(self.complain, self, results[2]) -- of a line that was cancelled, above all
  else
    show(self, results)
  end
  return not failed
end

--- Runs fn as a line, waits for it, and shows what it returns. False when it failed, or was left to itself.
function Session:run(fn, label)
  local outcome = {}
  local line = self.jobs:begin_line(label, function()
    outcome.ok, outcome.result = xpcall(run_and_show, errors.handler, self, fn)
    return not outcome.ok and outcome.result or nil
  end)
  self.line = line
  if self.hasty then self:interrupt() end
  -- Waited for by a task of its own, which can be told to leave.
  line.waiter = core.task.spawn(function() line.task:join() end)
  pcall(line.waiter.join, line.waiter)
  self.line, self.hasty = nil, nil
  if line.task:status() == "running" then
    self.jobs:adopt(line)
    return false
  end
  if outcome.ok then return outcome.result end
  self:failed(outcome.result or errors.new("cancelled", nil, "cancelled"))
  return false
end

--- Tells of an error that a line or a job raised.
function Session:failed(err)
  if self.front.fail then return self.front:fail(err) end
  if errors.has_code(err, "cancelled") then
    self.env.err = err
    self:say "cancelled"
  else
    self:complain(err)
  end
end

--- Evaluates what was typed: true or false for whether it went well, or nil, "incomplete".
function Session:evaluate(text)
  self.typed = text
  local fn, problem, message = chunk.compile(text, self.env)
  if problem == "incomplete" then return nil, problem end
  if not fn then
    self:failed(errors.new("lua.error", nil, message))
    return false
  end
  local ok = self:run(fn, text)
  if ok and self.front.hints and chunk.loses_local(text) then
    self:say "a local variable ends with its line; without `local` it stays"
  end
  return ok
end

--- Ctrl-C while a line runs: first it is cancelled, and undoes what it did; the second time it is left to do so in
-- the background. One that comes before the line does, counts when it begins.
function Session:interrupt()
  local line = self.line
  if not line then
    self.hasty = true
    return
  end
  if line.interrupted then
    line.waiter:cancel()
  else
    line.interrupted = true
    line.task:cancel()
    self.front:write " being cancelled; once more: do not wait for it\n" -- behind the ^C that the terminal writes
  end
end

--- Ends it: what runs is cancelled, undone, and waited for.
function Session:close()
  self.jobs:cancel_all()
  core.task.shield(function()
    self.jobs:wait_all()
    environment.close(self)
  end)
end

return session
