--- Freezing what runs on a volume for the moment in which its snapshot is taken: --freeze-command before,
-- --thaw-command after, also when the snapshot fails, the job is cancelled or the time runs out. The thaw is on the
-- job's record like any undo, so it is made up for after a crash too. Both commands have to bear being run twice.

local core = require "siphon.core"
local errors = require "siphon.errors"
local replay = require "siphon.replay"

local quiesce = {}

--- Runs a command line of the shell: true, or nil and an error of code "command.failed" with what it complained.
function quiesce.run(command)
  local result, err = core.process.run { "/bin/sh", "-c", command }
  if not result then return nil, err end
  if result.code == 0 then return true end
  local how = result.signal and ("was ended by signal %d"):format(result.signal)
    or ("ended with code %d"):format(result.code)
  local words = result.errors:match "%S[^\n]*"
  return nil, errors.new("command.failed", "job.freeze", ("the command `%s` %s%s"):format(command, how,
    words and ": " .. words or ""))
end

local function freeze(job)
  local request = job.request
  job:step("source.freeze", {
    detail = ("frozen by `%s`"):format(request.freeze_command),
    undo = { "run_thaw", { command = request.thaw_command, host = core.system.hostname() } },
    act = function() return quiesce.run(request.freeze_command) end,
  })
end

-- A guest that stays frozen is worse than a copy that fails, so a thaw that fails fails the job.
local function thaw(job, as)
  job:release("source.freeze", as)
  for _, left in ipairs(job.left_behind) do
    if left.step == "source.freeze" then
      errors.raise("command.failed", "job.thaw", "the thaw failed, and the guest may still be frozen: " .. left.reason)
    end
  end
end

--- Calls fn(job) while the guest is frozen, when the request says how that is done; returns what it returns. The
-- thaw follows at once, before anything is undone, whatever became of fn.
function quiesce.around(job, fn)
  if not job.request.freeze_command then return fn(job) end
  -- A job that was cut off in between: the thaw is made up for, and the freeze is repeated if there is no snapshot yet.
  if job.resumed then
    thaw(job, "undone")
    if replay.has_done(job, "source.snapshot") then
      replay.pass(job, "source.freeze")
      return fn(job)
    end
  end
  freeze(job)
  local ok, result = xpcall(fn, errors.handler, job)
  core.task.shield(thaw, job)
  if not ok then error(result, 0) end
  return result
end

return quiesce
