--- Events: what a job tells the world, one plain table each. siphon.event_kinds lists them, with their fields; it has
-- to know every one that is told (`make lint-docs`). A sink is a function that takes one event; sinks are in
-- siphon.sinks.

local core = require "siphon.core"

local event = {}

local PROGRESS_INTERVAL = 0.125 -- seconds; with the last one that always passes, ten a second at most

local Emitter = {}
Emitter.__index = Emitter

--- A function that makes the sink for events that nobody asked for, or nil: libsiphon's host wants them. It is called
-- where a job begins, since some events come from outside of the job's task (progress).
event.default = nil

-- A sink for the file that SIPHON_EVENT_LOG names, or nil. Opened for each event, and written in one piece: several
-- processes may write to it, and it may be put away (logrotate) at any time.
local function to_file()
  local path = os.getenv "SIPHON_EVENT_LOG"
  if not path or path == "" then return nil end
  return function(e)
    local file <close> = assert(io.open(path, "a"))
    file:setvbuf "no"
    assert(file:write(require("siphon.json").encode(e) .. "\n"))
  end
end

--- Says something that belongs to no job: as the event `log`, or on stderr.
function event.log(message)
  if event.default then
    event.emitter(nil, {}):emit("log", { message = message })
  else
    io.stderr:write("siphon: ", message, "\n")
  end
end

--- An emitter for the job `id`, or for none. `sinks` is a list of functions.
function event.emitter(id, sinks)
  local all = table.move(sinks, 1, #sinks, 1, {})
  if #all == 0 and event.default then all = { event.default() } end
  all[#all + 1] = to_file()
  return setmetatable({ id = id, sinks = all, progress_due = -math.huge }, Emitter)
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
