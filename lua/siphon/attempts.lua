--- What becomes of a job from the queue when an attempt at it failed and was undone: it is put back, to be tried again
-- later; or it stays as one that failed, with the reason, until somebody tries it once more or drops it.
--
-- header.queue, and the same in its line of the index: { priority, not_before (seconds since 1970), attempts (at most),
-- tried (that failed so far), by { host, user } who submitted it }.

local core = require "siphon.core"
local errors = require "siphon.errors"

local attempts = {}

local FIRST = 10      -- seconds before the second attempt; twice as long before each that follows
local LONGEST = 900   -- seconds, at most

-- Half of the time is left to chance, so that what failed together does not come back together.
local function pause(tried)
  local first = tonumber(os.getenv "SIPHON_RETRY") or FIRST
  local seconds = math.min(LONGEST, first * 2 ^ (tried - 1))
  local chance = ("<I4"):unpack(core.system.random(4)) / 0xffffffff
  return seconds * (0.5 + 0.5 * chance)
end

-- The Glance image of an id that the caller chose was there already, and an id is used once.
local function has_used_up_id(job)
  if not job.header.request.image_id then return false end
  for _, entry in ipairs(job.entries) do
    if entry.step == "glance.create" and entry.undo == "delete_glance_image" then return true end
  end
  return false
end

--- Whether the job waits in the queue, or failed and may be tried anew: nothing of it is left to undo.
function attempts.is_fresh(header)
  return header.queue ~= nil and header.decision == nil
end

--- What follows when an attempt ended with err and was undone: nil when the job is over; else the header that it is put
-- back with, state "queued" or "failed".
function attempts.after(job, err)
  local header = job.header
  local queue = header.queue
  if not queue or err:is("job.cancelled", "job.undone") then return nil end
  local again, now = {}, core.system.time()
  for key, value in pairs(queue) do again[key] = value end
  local state = "queued"
  -- A worker that has to end is none of the job's failures.
  if not err:is "cancelled" then
    again.tried = queue.tried + 1
    if not err.retryable or again.tried >= queue.attempts or has_used_up_id(job) then
      state = "failed"
    else
      again.not_before = now + pause(again.tried)
    end
  end
  return {
    version = header.version, id = job.id, state = state, source = header.source, target = header.target,
    image_id = header.request.image_id, started = header.started, request = header.request, queue = again,
    barred = header.barred, error = errors.plain(err),
  }
end

--- The same for people: one line for the story of the job.
function attempts.text(header, err)
  local queue, why = header.queue, errors.line(err)
  if err:is "cancelled" then return "interrupted: back into the queue" end
  if header.state == "failed" then
    return ("attempt %d of %d failed, and was the last: %s"):format(queue.tried, queue.attempts, why)
  end
  return ("attempt %d of %d failed: %s; again after %s"):format(queue.tried, queue.attempts, why,
    os.date("%Y-%m-%d %H:%M:%S", math.ceil(queue.not_before)))
end

return attempts
