--- siphon copy SOURCE TARGET

local options = require "siphon.cli.options"
local output = require "siphon.cli.output"

local command = {}

local EPILOG = [[
siphon copy volumes/vm1 glance:golden        a new Glance image named "golden"
siphon copy volumes/vm1@monday glance:golden from that snapshot
siphon copy volumes/vm1 volumes/vm1-copy     an RBD image

Exit codes: 0 done, 64 usage, 65 bad data, 69 unavailable, 70 internal error,
75 try again, 77 no permission, 78 configuration, 130 interrupted.]]

local function parser()
  local p = options.parser("copy", "Copies an RBD volume to a Glance image, or to another RBD image.")
  options.copy(p)
  output.options(p)
  options.ceph(p)
  return p:epilog(EPILOG)
end

--- Runs the command; returns the exit code or raises.
function command.main(arguments, leading)
  return options.run(parser(), arguments, leading, function(parsed)
    local request = options.request(parsed)
    request.on_event = output.sink(parsed)
    local _, err = require("siphon.copy").copy(request)
    if err then error(err, 0) end
    return 0
  end)
end

return command
