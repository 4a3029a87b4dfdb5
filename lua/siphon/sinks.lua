--- Where events go: JSON lines for programs, plain lines for a pipe, a bar for a terminal. Each constructor
-- returns a function that takes one event (see siphon.event).

local core = require "siphon.core"
local progress = require "siphon.progress"
local units = require "siphon.units"

local sinks = {}

--- One JSON object a line. `write(text)` is called once an event.
function sinks.json(write)
  local json = require "siphon.json"
  return function(e) write(json.encode(e) .. "\n") end
end

-- What is going on while a step runs. One that is not listed says its detail.
local RUNNING = {
  ["glance.create"] = "creating the Glance record",
  ["source.snapshot"] = "taking a snapshot of the source",
  ["source.hash"] = "reading the snapshot for its hash",
  ["source.protect"] = "protecting the source's snapshot",
  ["target.create"] = "creating the image",
  ["target.clone"] = "cloning the snapshot",
  ["target.copy"] = "copying the data",
  ["target.flatten"] = "flattening the clone",
  ["target.strip"] = "removing image-meta",
  ["target.seal"] = "protecting the image with a snapshot",
  ["target.verify"] = "comparing the sizes",
  ["target.publish"] = "naming the image",
  ["glance.register"] = "registering the location",
  ["glance.active"] = "waiting until the image is active",
}

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

--- The sentence that ends a copy: where the result is, how long it took, what passed through this host.
function sinks.summary(e)
  local result
  if type(e.image_id) == "string" then -- an event has null where there is none
    result = ("Glance image %s is active"):format(e.image_id)
  else
    result = ("%s is complete"):format(e.target)
  end
  return ("%s: %s in %s by route %s, %s through this host"):format(result, units.bytes(e.bytes.size),
    units.duration(e.seconds), e.route, units.bytes(e.bytes.through_host))
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

--- A bar that is redrawn in place; the lines of steps go above it. options: verbose, no_progress, colour,
-- charset, columns (a function: the terminal may be resized).
function sinks.terminal(write, options)
  local drawn = false
  local label = ""

  local function clear()
    if drawn then write("\r\27[K") end
    drawn = false
  end

  local function draw(text)
    write("\r" .. text .. "\27[K")
    drawn = true
  end

  local function paint(text, code)
    return options.colour and ("\27[%sm%s\27[0m"):format(code, text) or text
  end

  local plain = sinks.lines(function(text)
    clear()
    write(text)
  end, { verbose = options.verbose, no_progress = true })

  return function(e)
    local width = options.columns() - 1
    if e.event == "job.start" then label = e.source end
    if e.event == "progress" then
      if options.no_progress then return end
      local state = { label = label, done = e.done, total = e.total, rate = e.rate, left = e.seconds_left }
      draw(progress.line(state, width, options.charset))
    elseif e.event == "step" and e.state == "started" and not options.verbose then
      if not options.no_progress then draw(progress.cut(running_text(e) .. " ...", width, options.charset)) end
    elseif e.event == "job.done" then
      clear()
      write(paint(sinks.summary(e), "32") .. "\n")
    elseif e.event == "job.failed" then
      clear()
    else
      plain(e)
    end
  end
end

return sinks
