--- What happened in a job, in order, for people: its steps and what was told in between.

local sinks = require "siphon.sinks"

local story = {}

local AFTER = { undone = "undone: %s", released = "given back: %s", kept = "left as it is: %s" }

--- What became of a step when the process that did it was no more: "copying the data: cut off".
function story.cut_off(entry)
  return sinks.running_text(entry) .. ": cut off"
end

local function text_of(entry, is_running)
  if entry.state == "started" then
    return is_running and sinks.running_text(entry) .. " ..." or story.cut_off(entry)
  end
  if entry.state == "failed" then return sinks.running_text(entry) .. ": failed" end
  return entry.detail or entry.step
end

local function of_step(entry, is_running, add)
  add { time = entry.began, text = text_of(entry, is_running), seconds = entry.seconds }
  local after = entry.undo and AFTER[entry.state]
  if after and entry.settled then
    local suffix = entry.reason and ": " .. entry.reason or ""
    add { time = entry.settled, text = after:format(entry.detail or entry.step) .. suffix }
  end
end

--- The lines of a record (as siphon.journal.record reads it): { time, text, seconds }. is_running: somebody is at it.
function story.of(there, is_running)
  local lines = {}
  local function add(line)
    if not line.time then return end
    lines[#lines + 1] = line
    line.order = #lines
  end
  for _, line in pairs(there.story or {}) do add { time = line.time, text = line.text } end
  for _, entry in pairs(there.steps or {}) do of_step(entry, is_running, add) end
  table.sort(lines, function(a, b)
    if a.time ~= b.time then return a.time < b.time end
    return a.order < b.order
  end)
  for _, line in ipairs(lines) do line.order = nil end
  return lines
end

return story
