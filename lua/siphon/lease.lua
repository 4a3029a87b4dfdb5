--- The lease on a job's record while the job is worked on: a task beside it that renews the lease and looks whether
-- somebody wants the job cancelled.

local core = require "siphon.core"
local errors = require "siphon.errors"

local lease = {}

local TICK = 0.05      -- seconds; how soon the keeper sees that it is no longer needed
local LOOK_EVERY = 1   -- seconds between two looks for a wish to cancel: it is noticed within two

local function cancelled(by)
  return errors.new("job.cancelled", "job.cancel", ("cancelled by %s on %s"):format(by.user, by.host))
end

-- Renews until it is told to stop. An error that says nothing about the lease (a slow cluster) is no reason to give up:
-- the next attempt follows, and a lease that ran out meanwhile is taken again unless somebody was quicker.
local function keep(record, state, heeds_cancel)
  local renew_at, look_at = core.task.now() + record.lease / 3, core.task.now() + LOOK_EVERY
  while not state.over do
    core.task.sleep(TICK)
    local now = core.task.now()
    if now >= look_at and heeds_cancel() then
      local by = record:cancelled_by()
      if by and heeds_cancel() then error(cancelled(by), 0) end
      look_at = now + LOOK_EVERY
    end
    if now >= renew_at then
      local ok, err = record:renew()
      if not ok and err:is "lease.lost" then error(err, 0) end
      renew_at = now + (ok and record.lease / 3 or LOOK_EVERY)
    end
  end
end

--- Calls fn(...) while the lease is kept, and returns what it returns. Raises an error of code "lease.lost" when the
-- job was taken over, and of code "job.cancelled" when somebody wants that while heeds_cancel() says that it counts.
function lease.keep(record, heeds_cancel, fn, ...)
  if not record.renew then return fn(...) end -- a record that only this process has
  return core.task.scope(function(...)
    -- A flag, because a task in a shield cannot be cancelled.
    local state = {}
    local keeper = core.task.spawn(keep, record, state, heeds_cancel)
    local results = table.pack(xpcall(fn, errors.handler, ...))
    state.over = true
    keeper:cancel()
    if not results[1] then error(results[2], 0) end
    return table.unpack(results, 2, results.n)
  end, ...)
end

return lease
