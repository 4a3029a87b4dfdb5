--- Where events go: JSON lines for programs, plain lines for a pipe, a bar for a terminal. Each constructor
-- returns a function that takes one event (see siphon.event).

local bars = require "siphon.bars"
local core = require "siphon.core"
local kinds = require "siphon.event_kinds"
local movers = require "siphon.movers"
local progress = require "siphon.progress"
local spec = require "siphon.spec"
local units = require "siphon.units"

local sinks = {}

--- One JSON object a line. `write(text)` is called once an event.
function sinks.json(write)
  local json = require "siphon.json"
  return function(e) write(json.encode(e) .. "\n") end
end

local RUNNING = {}
for _, step in ipairs(kinds.STEPS) do RUNNING[step[1]] = step[2] end

--- What is going on while the step of that event, or entry of a record, runs.
local function running_text(e)
  return RUNNING[e.step] or e.detail or e.step
end

-- What a step says by its state.
local STATE_TEXT = {
  done = "%s", undone = "undone: %s", kept = "left as it is: %s",
  released = "%s", unsuitable = "not possible: %s", skipped = "not possible: %s", chosen = "%s",
}

local function step_text(e)
  if e.state == "started" then return running_text(e) .. " ..." end
  if e.state == "failed" then return "failed: " .. running_text(e) end
  local text = (STATE_TEXT[e.state] or "%s"):format(e.detail or e.step)
  if e.reason then text = text .. ": " .. e.reason end
  return text
end

sinks.running_text = running_text

-- "Glance image 1234 is active in pool images", "images/copy is complete"
local function whereabouts(e)
  if type(e.image_id) ~= "string" then return e.target .. " is complete" end -- an event has null where there is none
  local place = type(e.location) == "string" and spec.parse_location(e.location)
  return ("Glance image %s is active%s"):format(e.image_id, place and " in pool " .. place.pool or "")
end

--- The sentence that ends a copy: where the result is, how long it took, what passed through this host, which was
-- counted, and what the usual way would have moved, which is calculated.
function sinks.summary(e)
  local text = ("%s: %s in %s by route %s, %s through this host"):format(whereabouts(e), units.bytes(e.bytes.size),
    units.duration(e.seconds), e.route, units.bytes(e.bytes.through_host))
  local usual = type(e.image_id) == "string" and movers.usual(e.bytes)
  if not usual or usual <= e.bytes.through_host then return text end
  return ("%s (Cinder's upload-to-image would have moved about %s)"):format(text, units.bytes(usual))
end

local LINE_INTERVAL = 5 -- seconds between progress lines in a pipe

-- Which events get a line: what was done, given up or undone; with `verbose` also what begins.
local function wants_line(e, options)
  if e.event ~= "step" then return false end
  return e.state ~= "started" or options.verbose
end

--- Plain lines, no control characters. options: verbose, no_progress.
function sinks.lines(write, options)
  local due = -math.huge
  return function(e)
    if e.event == "job.start" then
      write(("%s -> %s\n"):format(e.source, e.target))
      if options.verbose then write(("job %s\n"):format(e.job)) end
    elseif wants_line(e, options) then
      local took = options.verbose and e.seconds and (" (%s)"):format(units.duration(e.seconds)) or ""
      write(step_text(e) .. took .. "\n")
    elseif e.event == "progress" and not options.no_progress then
      local now = core.task.now()
      if now < due or e.done == 0 then return end
      due = now + LINE_INTERVAL
      local percent = e.total > 0 and 100 * e.done // e.total or 100
      local left = (e.seconds_left or 0) > 0 and (", %s left"):format(units.duration(e.seconds_left)) or ""
      write(("%s: %d%%, %s of %s, %s%s\n"):format(e.detail or e.step, percent, units.bytes(e.done),
        units.bytes(e.total), units.rate(e.rate), left))
    elseif e.event == "job.done" then
      write(sinks.summary(e) .. "\n")
    end
  end
end

-- What a job at a terminal needs besides its events: its name, its route, how many others run.
local function line_of(job, e, width, charset)
  return progress.line({
    label = job.source, route = job.route, done = e.done, total = e.total, rate = e.rate, left = e.seconds_left,
    through_host = e.through_host,
  }, width, charset)
end

--- Bars that are redrawn in place, one for each job whose events come; the lines of steps go above them. options:
-- verbose, no_progress, colour, charset, columns (a function: the terminal may be resized).
function sinks.terminal(write, options)
  local foot = bars.new(write, options)
  local jobs, running = {}, 0

  local function paint(text, code)
    return options.colour and ("\27[%sm%s\27[0m"):format(code, text) or text
  end

  -- The lines that stay say whose they are as soon as there are several jobs.
  local function print_of(job)
    return sinks.lines(function(text)
      local named = running == 1 or text:sub(1, #job.source) == job.source
      foot:print(named and text or job.source .. ": " .. text, job.key)
    end, { verbose = options.verbose, no_progress = true })
  end

  local function job_of(e)
    local key = e.job or ""
    if not jobs[key] then
      jobs[key] = { key = key, source = e.source or "" }
      jobs[key].print = print_of(jobs[key])
      running = running + 1
    end
    return jobs[key]
  end

  local function forget(job)
    foot:remove(job.key)
    jobs[job.key], running = nil, running - 1
  end

  return function(e)
    local job = job_of(e)
    if e.event == "step" and e.state == "chosen" then job.route = e.route end
    if e.event == "progress" then
      if options.no_progress then return end
      foot:set(job.key, function(width) return line_of(job, e, width, options.charset) end, e.done < e.total)
    elseif e.event == "step" and e.state == "started" and not options.verbose then
      if options.no_progress then return end
      local text = running_text(e) .. " ..."
      foot:set(job.key, function(width)
        return progress.cut(running > 1 and job.source .. ": " .. text or text, width, options.charset)
      end)
    elseif e.event == "job.done" then
      forget(job)
      foot:print(paint(sinks.summary(e), "32") .. "\n")
    elseif e.event == "job.undone" then
      forget(job)
    elseif e.event == "job.failed" then
      local others = running > 1
      forget(job)
      -- Alone, it is told by whoever waits for it.
      if others then foot:print(paint(("%s: failed: %s"):format(job.source, e.error.message), "31") .. "\n") end
    else
      job.print(e)
    end
  end
end

return sinks
