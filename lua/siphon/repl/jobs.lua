--- What goes on in the background of a session: numbered, told about when it ends, cancelled by number. A line that
-- was left to itself becomes one too.

local core = require "siphon.core"
local errors = require "siphon.errors"
local pretty = require "siphon.pretty"
local units = require "siphon.units"

local jobs = {}

local Jobs = {}
Jobs.__index = Jobs

-- What spawn() returns. Only methods: what they tell changes.
local Handle = { __name = "siphon.repl.Job" }
Handle.__index = Handle

function jobs.new(session)
  return setmetatable({ session = session, list = {}, last = 0, of_task = setmetatable({}, { __mode = "k" }) }, Jobs)
end

--- Begins a line, { task, label, began }: fn returns what it failed with, if it did.
function Jobs:begin_line(label, fn)
  local line = { label = label, began = core.task.now() }
  line.task = self.session.root:spawn(function()
    self.of_task[core.task.current()] = line
    line.failure = fn()
    if line.number then self:ended(line) end
  end)
  return line
end

local function one_line(text)
  text = (text or ""):gsub("%s+", " ")
  return #text > 60 and text:sub(1, 57) .. "..." or text
end

function Jobs:say(job, text)
  self.session:say(("[%d] %s"):format(job.number, text))
end

local function number(self, job)
  self.last = self.last + 1
  job.number = self.last
  self.list[job.number] = job
end

--- Makes a background job of a line that still runs.
function Jobs:adopt(line)
  number(self, line)
  self:say(line, "goes on in the background: " .. one_line(line.label))
end

-- A job has ended: tells how.
function Jobs:ended(job)
  self.list[job.number] = nil
  local took = units.duration(core.task.now() - job.began)
  if job.failure then
    self.session.env.err = job.failure
    local line = errors.has_code(job.failure, "cancelled") and "cancelled"
      or "failed: " .. (errors.is(job.failure) and errors.line(job.failure) or tostring(job.failure))
    return self:say(job, ("%s (%s)"):format(line, took))
  end
  local result = job.results and job.results.n > 0
    and ": " .. one_line(pretty.format(job.results[1], { width = math.huge })) or ""
  self:say(job, ("done%s (%s)"):format(result, took))
end

--- Runs fn(...) in the background; returns its handle.
function Jobs:spawn(fn, ...)
  local job, arguments = { began = core.task.now(), label = self.session.typed }, table.pack(...)
  number(self, job)
  job.task = self.session.root:spawn(function()
    self.of_task[core.task.current()] = job
    local ok, failure = xpcall(function()
      job.results = table.pack(fn(table.unpack(arguments, 1, arguments.n)))
    end, errors.handler)
    if ok and job.results[1] == nil and errors.is(job.results[2]) then ok, failure = false, job.results[2] end
    if not ok then job.failure = failure end
    core.task.shield(self.ended, self, job)
  end)
  return setmetatable({ job = job }, Handle)
end

--- The job whose code calls, or the line that is waited for.
function Jobs:current()
  return self.of_task[core.task.current() or self] or self.session.line
end

--- The jobs that run, by number.
function Jobs:running()
  local list = {}
  for _, job in pairs(self.list) do list[#list + 1] = job end
  table.sort(list, function(a, b) return a.number < b.number end)
  return list
end

function Jobs:cancel_all()
  for _, job in ipairs(self:running()) do job.task:cancel() end
  if self.session.line then self.session.line.task:cancel() end
end

function Jobs:wait_all()
  for _, job in ipairs(self:running()) do pcall(job.task.join, job.task) end
end

-- --- handles ----------------------------------------------------------------------------------------------

--- Waits for the job's end; what its function returned, or its error raised.
function Handle:join()
  self.job.task:join()
  if self.job.failure then error(self.job.failure, 0) end
  return table.unpack(self.job.results, 1, self.job.results.n)
end

--- Cancels it; what it began is undone.
function Handle:cancel() self.job.task:cancel() end

--- "running", "done", "failed" or "cancelled"
function Handle:status()
  local failure = self.job.failure
  if failure then return errors.has_code(failure, "cancelled") and "cancelled" or "failed" end
  return self.job.task:status()
end

function Handle:__tostring()
  return ("job %d, %s"):format(self.job.number, self:status())
end

return jobs
