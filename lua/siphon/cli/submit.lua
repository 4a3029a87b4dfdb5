--- siphon submit SOURCE TARGET: puts a copy into the queue, for a worker on any host.

local options = require "siphon.cli.options"

local command = {}

local EPILOG = [[
Prints the id of the job: `siphon job ID` tells how it goes, `siphon cancel ID` takes it out again. What a worker needs
to find the cluster, the cloud and its policies is the worker's own, and commands run on its host.]]

local function parser()
  local p = options.parser("submit", "Puts a copy into the queue, for a worker (`siphon worker`) on any host.")
  options.queue(p)
  options.copy(p, true)
  p:group("Output", p:flag("--json", "Print the job as one JSON object."))
  options.ceph(p)
  return p:epilog(EPILOG)
end

--- Runs the command; returns the exit code or raises.
function command.main(arguments, leading)
  return options.run(parser(), arguments, leading, function(parsed)
    local request = options.request(parsed)
    request.priority, request.not_before, request.attempts = parsed.priority, parsed.not_before, parsed.attempts
    local id, err = require("siphon.queue").submit(request)
    if not id then error(err, 0) end
    io.write(parsed.json and require("siphon.json").encode { job = id } or id, "\n")
    return 0
  end)
end

return command
