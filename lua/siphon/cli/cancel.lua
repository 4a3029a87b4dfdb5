--- siphon cancel ID: has a job stopped and undone, on whatever host it runs.

local journals = require "siphon.journal"
local openstack = require "siphon.cli.openstack"
local options = require "siphon.cli.options"

local command = {}

local function parser()
  local p = options.parser("cancel", "Has a job stopped and undone, on whatever host it runs.")
  p:argument("job", "As `siphon jobs` lists it.")
  options.journal_pool(p)
  openstack.cloud(p)
  options.ceph(p)
  return p
end

--- Runs the command; returns the exit code or raises.
function command.main(arguments, leading)
  return options.run(parser(), arguments, leading, function(parsed)
    local holder, was = require("siphon.jobs").cancel(parsed.job, options.caller(parsed))
    if not holder then error(was, 0) end
    if was == "complete" then
      io.write(("too late to cancel job %s: its image is there, and it is finished\n"):format(parsed.job))
    elseif was == "queued" then
      io.write(("job %s is taken out of the queue\n"):format(parsed.job))
    elseif holder == true then
      io.write(("nobody worked on job %s: what it did is undone\n"):format(parsed.job))
    else
      io.write(("%s was told to stop job %s and to undo it\n"):format(journals.holder_text(holder), parsed.job))
    end
    return 0
  end)
end

return command
