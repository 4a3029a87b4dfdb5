--- Events: what a job tells the world, one plain table each.
--
--   job.start    job, source, target
--   step         job, step, state, and what the state needs (see siphon.job)
--   progress     job, step, done, total (bytes), rate (bytes a second), seconds_left, through_host (bytes, about); at
--                most ten a second
--   job.done     job, source, target, route, image_id, location, bytes, seconds
--   job.failed   job, source, target, seconds, error, left_behind
--
-- Every event also has `event` (its name) and `time` (seconds since the epoch). A sink is a function that
-- takes one event; sinks are in siphon.sinks.

local core = require "siphon.core"

local event = {}

local PROGRESS_INTERVAL = 0.125 -- seconds; with the last one that always passes, ten a second at most

local Emitter = {}
Emitter.__index = Emitter

--- A function that makes the sink for events that nobody asked for, or nil: libsiphon's host wants them. It is called
-- where a job begins, since some events come from outside of the job's task (progress).
event.default = nil

--- Says something that belongs to no job: as the event `log` (message), or on stderr.
function event.log(message)
  if event.default then
    event.default() { event = "log", time = core.system.time(), message = message }
  else
    io.stderr:write("siphon: ", message, "\n")
  end
end

--- An emitter for the job `id`. `sinks` is a list of functions.
function event.emitter(id, sinks)
  if #sinks == 0 and event.default then sinks = { event.default() } end
  return setmetatable({ id = id, sinks = sinks, progress_due = -math.huge }, Emitter)
end

--- Sends one event. A sink that raises is dropped: the job matters more than the telling of it.
function Emitter:emit(name, fields)
  local e = { event = name, job = self.id, time = core.system.time() }
  for key, value in pairs(fields) do e[key] = value end
  -- Shielded, so that a cancellation does not cut an event in two.
  core.task.shield(function()
    for i = #self.sinks, 1, -1 do
      local ok, problem = pcall(self.sinks[i], e)
      if not ok then
        table.remove(self.sinks, i)
        warn("an event sink failed and gets no more events: " .. tostring(problem))
      end
    end
  end)
  return e
end

--- Sends a progress event unless one was sent just now; the last one (done == total) always passes.
function Emitter:progress(fields)
  local now = core.task.now()
  local last = fields.done >= fields.total
  if now < self.progress_due and not last then return end
  self.progress_due = now + PROGRESS_INTERVAL
  self:emit("progress", fields)
end

return event
