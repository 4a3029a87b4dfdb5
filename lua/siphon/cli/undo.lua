--- siphon undo ID: see siphon.cli.resume.

local command = {}

--- Runs the command; returns the exit code or raises.
function command.main(arguments, leading)
  return require("siphon.cli.resume").main(arguments, leading, "undo")
end

return command
