--- What a person wants to know of a job as siphon.jobs tells of it: who has it, and what can be done about it.

local core = require "siphon.core"
local journals = require "siphon.journal"
local units = require "siphon.units"

local advice = {}

local NEXT = {
  abandoned = "`siphon resume %s` goes on with it, `siphon undo %s` takes back what it did",
  failed = "`siphon undo %s` tries again to take back what is left",
  running = "`siphon cancel %s` has it stopped and undone",
  queued = "a worker (`siphon worker`) will take it; `siphon resume %s` does it here, `siphon cancel %s` takes it out",
}
local TRY_AGAIN = "nothing is left of it; `siphon resume %s` tries it once more, `siphon undo %s` drops it"

--- What can be done next, or nil where nothing is left to do.
function advice.next(job)
  local text = job.state == "failed" and job.fresh and TRY_AGAIN or NEXT[job.state]
  return text and (text:gsub("%%s", job.id))
end

--- "host1 (pid 4711, user root)", and whether that one is still at it; nil while it waits in the queue.
function advice.holder(job)
  if job.state == "queued" then return nil end
  if job.state == "running" or not job.holder then return journals.holder_text(job.holder) end
  if job.state == "abandoned" then
    return ("nobody; it was %s, which was last heard of %s ago"):format(journals.holder_text(job.holder),
      units.duration(math.max(0, core.system.time() - job.updated)))
  end
  return "it was " .. journals.holder_text(job.holder)
end

return advice
