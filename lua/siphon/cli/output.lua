--- How a command shows a job: events to JSON lines, a bar or plain lines, by what stdout is and what was
-- asked for.

local system = require("siphon.core").system

local progress = require "siphon.progress"
local sinks = require "siphon.sinks"

local output = {}

local STDOUT = 1
local WIDTH = 80 -- of a terminal that does not tell

--- The options that choose the output.
function output.options(parser)
  parser:group("Output",
    parser:flag("-q --quiet", "Print errors only."),
    parser:flag("--json", "Print one event a line, as JSON."),
    parser:flag("--no-progress", "No progress bar, no progress lines."),
    parser:flag("-v --verbose", "Say more: each step, its time, the causes of an error."))
end

local has_reader = true

-- A reader that went away ends the output, not the job: think of `siphon copy --json | head`.
local function write(text)
  has_reader = has_reader and io.stdout:write(text) and io.stdout:flush() and true
end

-- NO_COLOR: any value but the empty one (no-color.org).
local function wants_colour()
  return (os.getenv("NO_COLOR") or "") == ""
end

local function can_redraw()
  local term = os.getenv("TERM") or ""
  return system.isatty(STDOUT) and term ~= "dumb" and term ~= ""
end

--- The sink for the parsed arguments, or nil when nothing is to be shown.
function output.sink(arguments)
  if arguments.json then return sinks.json(write) end
  if arguments.quiet then return nil end
  local shown = { verbose = arguments.verbose, no_progress = arguments.no_progress }
  if not can_redraw() then return sinks.lines(write, shown) end
  shown.colour = wants_colour()
  shown.charset = system.utf8() and progress.unicode or progress.ascii
  shown.columns = function() return system.width(STDOUT) or WIDTH end
  return sinks.terminal(write, shown)
end

return output
