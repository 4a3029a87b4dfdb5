--- siphon jobs: what is being copied in this cluster, by whomever, and what was cut off.

local json = require "siphon.json"
local options = require "siphon.cli.options"
local units = require "siphon.units"

local command = {}

local function parser()
  local p = options.parser("jobs", "Lists the jobs that are not over: queued, running, abandoned, failed.")
  p:group("What",
    p:flag("--all", "Those that ended too, as far as the history goes."),
    options.journal_pool(p))
  p:group("Output", p:flag("--json", "Print one object a job, as JSON."))
  options.ceph(p)
  return p
end

local FIELDS = {
  "id", "state", "source", "target", "route", "image_id", "started", "updated", "holder", "error",
  "queue",
}

-- Every field is there, null where there is nothing to say.
local function as_json(entry)
  local fields = {}
  for _, name in ipairs(FIELDS) do
    local value = entry[name]
    if value == nil then value = json.null end
    fields[name] = value
  end
  if entry.holder then
    fields.holder = { host = entry.holder.host, pid = entry.holder.pid, user = entry.holder.user }
  end
  return json.encode(fields, { leading = FIELDS })
end

local function age(seconds)
  return units.duration(math.max(0, require("siphon.core").system.time() - seconds)) .. " ago"
end

-- What a job in the queue waits for.
local function waiting(queue)
  local words = { ("attempt %d of %d"):format(math.min(queue.tried + 1, queue.attempts), queue.attempts) }
  if queue.priority ~= 0 then words[#words + 1] = ("priority %d"):format(queue.priority) end
  if queue.not_before and queue.not_before > require("siphon.core").system.time() then
    words[#words + 1] = os.date("not before %Y-%m-%d %H:%M:%S", math.ceil(queue.not_before))
  end
  return table.concat(words, ", ")
end

local function line(entry)
  local words = { ("%s  %-9s  %s -> %s"):format(entry.id, entry.state, entry.source, entry.target) }
  if entry.route then words[#words + 1] = "by " .. entry.route end
  if entry.state == "running" and entry.holder then words[#words + 1] = "on " .. entry.holder.host end
  if entry.updated then words[#words + 1] = age(entry.updated) end
  if entry.state == "queued" then words[#words + 1] = waiting(entry.queue) end
  if entry.error and entry.state ~= "done" then words[#words + 1] = entry.error.message end
  return table.concat(words, ", ") .. "\n"
end

--- Runs the command; returns the exit code or raises.
function command.main(arguments, leading)
  return options.run(parser(), arguments, leading, function(parsed)
    local asked = options.caller(parsed)
    asked.all = parsed.all
    local list, err = require("siphon.jobs").list(asked)
    if not list then error(err, 0) end
    for _, entry in ipairs(list) do io.write(parsed.json and as_json(entry) .. "\n" or line(entry)) end
    return 0
  end)
end

command.as_json, command.waiting = as_json, waiting

return command
