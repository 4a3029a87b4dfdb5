--- siphon resume ID, siphon undo ID: taking over a job that nobody works on any more. Both commands are here, since
-- they differ in one word.

local journals = require "siphon.journal"
local openstack = require "siphon.cli.openstack"
local options = require "siphon.cli.options"
local output = require "siphon.cli.output"

local command = {}

local TEXT = {
  resume = "Goes on with a job that was cut off, or does it again from its beginning, with the same image id.",
  undo = "Takes back everything that a job did that was cut off or that failed.",
}

local function parser(name)
  local p = options.parser(name, TEXT[name])
  p:argument("job", "As `siphon jobs` lists it."):args(name == "resume" and "?" or 1)
  if name == "resume" then p:flag("--all", "Every job that was abandoned, one after the other.") end
  if name == "undo" then p:flag("--forget", "Drop the record, even if something cannot be taken back.") end
  p:group("Where its record is", options.journal_pool(p))
  p:group("A second cluster, when it is to be found another way than on record", options.second_cluster(p))
  output.options(p)
  openstack.cloud(p)
  options.ceph(p)
  return p
end

local function say(parsed, text)
  if not (parsed.quiet or parsed.json) then io.stdout:write(text, "\n"):flush() end
end

-- The ids that the command is about.
local function chosen(parsed, asked)
  if not parsed.all then return { parsed.job } end
  local list, err = require("siphon.jobs").list(asked)
  if not list then error(err, 0) end
  local ids = {}
  for _, entry in ipairs(list) do
    if entry.state == "abandoned" then ids[#ids + 1] = entry.id end
  end
  return ids
end

local function run(name, parsed)
  if (parsed.job ~= nil) == (parsed.all == true) then
    require("siphon.errors").raise("usage", nil, "name a job, or --all (`siphon jobs` lists them)")
  end
  local asked, failure = options.caller(parsed), nil
  asked.forget = parsed.forget
  for _, id in ipairs(chosen(parsed, asked)) do
    asked.on_event = output.sink(parsed)
    asked.on_wait = function(holder)
      say(parsed, ("waiting for the lease of %s to run out"):format(journals.holder_text(holder)))
    end
    local ok, err = require("siphon.jobs")[name](id, asked)
    if ok and name == "undo" then say(parsed, ("job %s is undone"):format(id)) end
    if not ok then
      if not parsed.all then error(err, 0) end
      io.stderr:write("siphon: ", require("siphon.errors").line(err), "\n")
      failure = failure or require("siphon.cli.exit").code_of(err)
    end
  end
  return failure or 0
end

--- Runs the command; returns the exit code or raises.
function command.main(arguments, leading, name)
  name = name or "resume"
  return options.run(parser(name), arguments, leading, function(parsed) return run(name, parsed) end)
end

return command
