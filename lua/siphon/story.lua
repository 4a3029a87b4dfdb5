--- What happened in a job, in order: its steps and what was told in between.
--
-- A line has time and text, for people, and for whoever draws it: kind ("step", "undo", "route", "holder" or "end";
-- nil for a remark), and by kind
--   step     step (its name), state ("done", "running", "failed" or "cut off"), seconds, bytes { copied,
--            through_host }, undo (its name, when there is something to undo)
--   undo     step, state ("undone", "released" or "kept"), reason
--   route    route, state ("chosen", "skipped" or "unsuitable"), reason
--   end      state

local sinks = require "siphon.sinks"

local story = {}

local AFTER = { undone = "undone: %s", released = "given back: %s", kept = "left as it is: %s" }

local HAD_EFFECT = { done = true, releasing = true, released = true }

--- What became of a step when the process that did it was no more: "copying the data: cut off".
function story.cut_off(entry)
  return sinks.running_text(entry) .. ": cut off"
end

-- How the step itself went, whatever became of its effect afterwards, and the text for it.
local function outcome(entry, is_running)
  if entry.failed then return "failed", sinks.running_text(entry) .. ": failed" end
  if HAD_EFFECT[entry.state] or entry.seconds then return "done", entry.detail or entry.step end
  if entry.state == "started" and is_running then return "running", sinks.running_text(entry) .. " ..." end
  return "cut off", story.cut_off(entry)
end

local function of_step(entry, is_running, add)
  local state, text = outcome(entry, is_running)
  add {
    kind = "step", step = entry.step, state = state, time = entry.began, text = text, seconds = entry.seconds,
    bytes = entry.bytes, undo = entry.undo,
  }
  local after = entry.undo and AFTER[entry.state]
  if after and entry.settled then
    local suffix = entry.reason and ": " .. entry.reason or ""
    add {
      kind = "undo", step = entry.step, state = entry.state, reason = entry.reason, time = entry.settled,
      text = after:format(entry.detail or entry.step) .. suffix,
    }
  end
end

--- The lines of a record (as siphon.journal.record reads it). is_running: somebody is at it.
function story.of(there, is_running)
  local lines = {}
  local function add(line)
    if not line.time then return end
    lines[#lines + 1] = line
    line.order = #lines
  end
  for _, told in pairs(there.story or {}) do
    local line = {}
    for key, value in pairs(told) do line[key] = value end
    add(line)
  end
  for _, entry in pairs(there.steps or {}) do of_step(entry, is_running, add) end
  table.sort(lines, function(a, b)
    if a.time ~= b.time then return a.time < b.time end
    return a.order < b.order
  end)
  for _, line in ipairs(lines) do line.order = nil end
  return lines
end

return story
