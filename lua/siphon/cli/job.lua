--- siphon job ID: one job, and what happened to it.

local advice = require "siphon.advice"
local json = require "siphon.json"
local options = require "siphon.cli.options"
local units = require "siphon.units"

local command = {}

local function parser()
  local p = options.parser("job", "Says what one job is about, who has it, what happened, and what can be done.")
  p:argument("job", "As `siphon jobs --all` lists it.")
  options.journal_pool(p)
  p:flag("--json", "Print it as one JSON object.")
  options.ceph(p)
  return p
end

local function head(name, text)
  if text then io.write(("%-9s %s\n"):format(name, text)) end
end

local function clock(time)
  return os.date("%Y-%m-%d %H:%M:%S", math.floor(time))
end

local function print_job(job)
  head("job", ("%s: %s"):format(job.id, job.state))
  head("source", job.source)
  head("target", job.target)
  head("image", job.image_id)
  head("route", job.route)
  head("holder", advice.holder(job))
  head("record", "in pool " .. job.journal)
  if job.state == "queued" then head("queue", require("siphon.cli.jobs").waiting(job.queue)) end
  if job.bytes and job.bytes.size then
    head("bytes", ("%s, %s through the host"):format(units.bytes(job.bytes.size), units.bytes(job.bytes.through_host)))
  end
  if job.cancel then head("cancel", ("asked for by %s on %s"):format(job.cancel.user, job.cancel.host)) end
  if job.error then head("error", job.error.message) end
  io.write "\n"
  for _, line in ipairs(job.story) do
    local took = line.seconds and (" (%s)"):format(units.duration(line.seconds)) or ""
    io.write(("%s  %s%s\n"):format(clock(line.time), line.text, took))
  end
  local next_thing = advice.next(job)
  if next_thing then io.write("\n", next_thing, "\n") end
end

--- Runs the command; returns the exit code or raises.
function command.main(arguments, leading)
  return options.run(parser(), arguments, leading, function(parsed)
    local job, err = require("siphon.jobs").show(parsed.job, options.caller(parsed))
    if not job then error(err, 0) end
    if parsed.json then
      job.story = json.array(job.story)
      io.write(json.encode(job), "\n")
    else
      print_job(job)
    end
    return 0
  end)
end

return command
