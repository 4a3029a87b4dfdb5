--- Doing a job: from the look at both ends to the image that is there, or to everything undone; and the same for a job
-- that another process began.

local attempts = require "siphon.attempts"
local content = require "siphon.content"
local core = require "siphon.core"
local errors = require "siphon.errors"
local hashes = require "siphon.hashes"
local journals = require "siphon.journal"
local lease = require "siphon.lease"
local plan = require "siphon.plan"
local policies = require "siphon.policy"
local quiesce = require "siphon.quiesce"
local routes = require "siphon.routes"
local snapshot = require "siphon.snapshot"
local story = require "siphon.story"

local execution = {}

local function is_unsuitable(route, err)
  return err:is(table.unpack(route.unsuitable or {}))
end

local function gave_up(tried)
  local last = tried[#tried]
  if #tried == 1 then return last.error end
  local lines = {}
  for i, entry in ipairs(tried) do lines[i] = entry.route .. ": " .. entry.error.message end
  return errors.explain(last.error, ("no route did it (%s)"):format(table.concat(lines, "; ")))
end

local function tell(job, state, route, reason)
  job:emit_step("route", state, { route = route, detail = "route " .. route, reason = reason })
  job:tell {
    kind = "route", route = route, state = state, reason = reason,
    text = ("route %s %s: %s"):format(route, state == "chosen" and "is taken" or "is not possible", reason),
  }
end

-- Runs the route; begins it anew when a job that was cut off cannot be gone on with in its midst.
local function run_route(job, route, before)
  while true do
    local ok, err = xpcall(hashes.run, errors.handler, job, route)
    if ok or not err:is "job.restart" then return ok, err end
    job:tell { text = err.message .. "; the route begins anew" }
    job:undo(before, { rewind = true })
  end
end

-- Tries the routes that apply, in order. One that gives up is undone before the next begins. A job that is taken up
-- again goes on with the one that it had come to.
local function take_route(job, decision)
  local tried, come_to = {}, job.header.route
  for _, entry in ipairs(decision.considered) do
    local is_first = entry.route == come_to
    if come_to and not is_first then goto next end
    come_to = nil
    if not entry.applies then
      tell(job, "skipped", entry.route, entry.reason)
    else
      local route = routes.get(entry.route)
      job.route, job.parent = entry.route, route.parent
      if is_first then
        job:emit_step("route", "chosen", { route = entry.route, detail = "route " .. entry.route,
          reason = "the job had come to it" })
      else
        tell(job, "chosen", entry.route, decision.reason)
      end
      local before = job.position
      job:remember { route = entry.route, snapshot = job.snapshot, state = "running" }
      local ok, err = run_route(job, route, before)
      if ok then return route end
      if not is_unsuitable(route, err) then error(err, 0) end
      tried[#tried + 1] = { route = entry.route, error = err }
      tell(job, "unsuitable", entry.route, err.message)
      job:undo(before)
      job.bytes.copied = 0
    end
    ::next::
  end
  error(gave_up(tried), 0)
end

-- What follows once the bytes are there, unless the policy has an `after` of its own.
local function finish(job, policy)
  if policies.call(policy, "after", job) then return end
  job:seal()
  job:verify()
  job:register()
end

-- Gives the source back as it was, unless the copy is to lean on it for good.
local function let_go(job, route)
  core.system.fault_step "let_go"
  if route.parent ~= "kept" then return snapshot.release(job) end
  snapshot.keep(job)
  job:emit_step("source.snapshot", "note", {
    detail = ("the snapshot %s@%s stays: the image depends on it"):format(job.facts.source.image, job.snapshot.name),
  })
end

-- Looks at both ends, without changing anything.
local function look(job)
  local situation = assert(plan.look(job.request, job.connections))
  job.situation, job.connections = situation, situation.connections
  job.source, job.target, job.facts = situation.source, situation.target, situation.facts
  situation.policy.set_log(function(text) job:emit_step("policy", "note", { detail = text }) end)
end

-- What a new job decides before it changes anything, and the record that it is not without from then on.
local function begin(job)
  assert(job.situation:check())
  local decision = assert(job.situation:decide())
  job.header = {
    version = 1, id = job.id, state = "running", source = tostring(job.request.source),
    target = tostring(job.request.target), target_fsid = job.connections:target_fsid(job.request.target),
    image_id = job.target:result().image_id, request = job.request.record,
    decision = { reason = decision.reason, considered = decision.considered }, started = core.system.time(),
    policy = job.situation.policy.name, queue = job.header.queue, barred = job.header.barred,
  }
  core.system.fault_step "job.create"
  if job.record then
    job:remember {}
  elseif not job.request.no_journal then
    job.record = assert(core.task.shield(journals.create, job, job.header))
    job.journal = job.record
  end
  if job.record then job:tell { kind = "holder", text = "begun by " .. journals.holder_text(job.record.holder) } end
end

-- Raises when the snapshot that the user named is another one than at the beginning.
local function expect_same_snapshot(job)
  local former = job.header.snapshot
  if not (former and job.source.snapshot) or former.id == job.snapshot.id then return end
  errors.raise("source.changed", "job.resume", ("the snapshot %s was replaced since the copy began: undo the job, and "
    .. "copy it again"):format(tostring(job.request.source)))
end

-- The effects, in their order; raises on failure. What has to be undone is on the job's record.
local function carry_out(job)
  -- Without an object map counting takes as long as copying: then what was copied has to stand for it.
  if job.source.info.fast_diff then job.bytes.allocated = job.facts.source.allocated end
  local policy = job.situation.policy
  if not job.header.snapshot then policies.call(policy, "before", job) end
  job.target:prepare(job)
  job.snapshot = quiesce.around(job, snapshot.secure)
  expect_same_snapshot(job)
  assert(content.check_snapshot(job))
  job.bytes.size = job.snapshot.size
  local route = take_route(job, job.header.decision)
  snapshot.check(job)
  finish(job, policy)
  if route.finish then
    route.finish(job)
    snapshot.check(job)
  end
  core.task.shield(function() -- the image is there: whoever interrupts now is late
    core.system.fault_step "job.complete"
    job:remember { complete = true, bytes = job.bytes }
    let_go(job, route)
    job.is_over = true
  end)
end

-- The image is there, and only the source was not given back yet.
local function complete(job)
  local header = job.header
  job.route, job.snapshot, job.bytes = header.route, header.snapshot, header.bytes
  core.task.shield(let_go, job, routes.get(header.route))
  job.is_over = true
end

-- Works on the job while its lease is kept. Nobody cancels any more what is being undone, or complete.
local function keep_lease(job, fn, ...)
  local function heeds_cancel() return job.header.state ~= "undoing" and not job.header.complete end
  return lease.keep(job.journal, heeds_cancel, fn, ...)
end

-- All of a new job; raises on failure.
local function perform(job)
  look(job)
  begin(job)
  keep_lease(job, carry_out, job)
end

--- Calls fn, within `seconds` if there is such a bound; raises on failure.
function execution.bounded(seconds, fn, ...)
  if not seconds then return fn(...) end
  local _, err = core.task.timeout(seconds, fn, ...)
  if err == nil then return end
  if err:is("timeout") then
    err = errors.new("timeout", "siphon.copy", ("it was not done within the %g seconds that --timeout allows")
      :format(seconds), { retryable = true, cause = err })
  end
  error(err, 0)
end

-- --- the end ---------------------------------------------------------------------------------------------------

local function result_of(job)
  local result = job.target and job.target:result() or { image_id = job.header.image_id }
  job.bytes.allocated = job.bytes.allocated or job.bytes.copied
  return {
    job = job.id, source = tostring(job.request.source), target = tostring(job.request.target),
    route = job.route, image_id = result.image_id, location = result.location, hash = job.hash, bytes = job.bytes,
    seconds = core.task.now() - job.started,
  }
end

-- An event keeps its fields also where there is no value for them.
local function with_nulls(result)
  local null = require("siphon.json").null
  local fields = {}
  for key, value in pairs(result) do fields[key] = value end
  for _, name in ipairs { "image_id", "location", "hash" } do fields[name] = result[name] or null end
  return fields
end

-- How a job ended that did not succeed: "failed" when something was left behind that can be undone at another time.
-- What was left because it is somebody else's by now is none of that.
local function state_of(job)
  for _, entry in ipairs(job.left_behind) do
    if entry.error then return "failed" end
  end
  return "undone"
end

-- What a person has to know of a failure: why, and what is still there because it could not be undone.
local function final_error(job, err)
  if job.lost then return job.lost end
  local stopped = err:is("cancelled", "job.cancelled")
  local why, left = err:is("cancelled") and "interrupted" or err.message, {}
  for i, entry in ipairs(job.left_behind) do left[i] = entry.text end
  if #left > 0 then
    local again = job.record and state_of(job) == "failed"
    local later = again and ("; `siphon undo %s` tries again"):format(job.id) or ""
    return errors.explain(err, ("%s; left behind: %s%s"):format(why, table.concat(left, ", "), later))
  end
  if job.again and job.again.state == "queued" then
    return errors.explain(err, ("%s; what was begun has been undone, and the job waits in the queue"):format(why))
  end
  if stopped then return errors.explain(err, why .. "; what was begun has been undone") end
  return err
end

-- The one line that is left of a job.
local function line_of(job, state, err)
  local header = job.header
  return {
    state = state, source = header.source, target = header.target, target_fsid = header.target_fsid,
    route = header.route, image_id = header.image_id, started = header.started, ended = core.system.time(),
    error = err and errors.plain(err), bytes = header.bytes,
    holder = { host = job.record.holder.host, pid = job.record.holder.pid, user = job.record.holder.user },
  }
end

-- What is written at the end: only a line and the story stay, or, when something was left behind, the record itself,
-- without a holder; a job from the queue may be put back.
local function put_away(job, state, err)
  local again = err and state == "undone" and attempts.after(job, err)
  job.again = again
  if again then
    job:tell { text = attempts.text(again, err) }
  else
    job:tell { kind = "end", state = state, text = err and ("ended: %s"):format(errors.line(err)) or "done" }
  end
  local lines = story.of { story = job.story, steps = job.entries }
  if again then return job.record:put_back(again, lines, #job.entries) end
  if state ~= "failed" then return job.record:finish(line_of(job, state, err), lines) end
  job.header.state, job.header.error = state, errors.plain(err)
  return job.record:release(job.header)
end

-- Puts an end to the record. Trouble with it is told, but changes nothing about what the job did.
local function close_record(job, state, err)
  if not job.record or job.lost then return end
  core.system.fault_step "job.finish"
  local ok, problem = put_away(job, state, err)
  if ok then return end
  if problem:is "lease.lost" then job.lost = problem end
  job:emit_step("job", "note", { detail = ("the record of job %s could not be put away: %s"):format(job.id,
    problem.message) })
end

local function undo_all(job, err, options)
  job.header.state, job.header.error = "undoing", errors.plain(err)
  -- What cannot be told the record (there may be no room) can be undone all the same.
  if job.record then pcall(job.remember, job, {}) end
  if not job.lost then keep_lease(job, job.undo, job, nil, options) end
end

local function emit_failed(job, err)
  job.events:emit("job.failed", {
    source = tostring(job.request.source), target = tostring(job.request.target), error = errors.plain(err),
    seconds = core.task.now() - job.started, left_behind = require("siphon.json").array(job.left_behind),
    again = job.again and job.again.state == "queued" and (job.again.queue.not_before or core.system.time()) or nil,
  })
end

local function fail(job, err)
  if err:is "lease.lost" then job.lost = err end
  if not job.lost then undo_all(job, err) end
  close_record(job, state_of(job), err)
  err = final_error(job, err)
  emit_failed(job, err)
  return nil, err
end

-- The end of every job, told once, whatever interrupts meanwhile.
local function conclude(job, ok, failure)
  local result, err
  if ok or job.is_over then
    result = result_of(job)
    job.header.bytes = job.bytes
    close_record(job, "done")
    job.events:emit("job.done", with_nulls(result))
  else
    result, err = fail(job, failure)
  end
  if job.situation then job.situation:close() elseif job.connections then job.connections:close() end
  return result, err
end

-- Calls fn(...), which may be cancelled, within the time that the job has; then the end of the job, which may not.
local function carry_through(job, fn, ...)
  return core.task.shield(function(...)
    return conclude(job, xpcall(core.task.expose, errors.handler, execution.bounded, job.request.timeout, fn, ...))
  end, ...)
end

--- Does a new job: its result, or nil and an error, with everything undone.
function execution.run(job)
  job.events:emit("job.start", { source = tostring(job.request.source), target = tostring(job.request.target) })
  return carry_through(job, perform, job)
end

-- Nothing was done yet: the job is left as it was found.
local function put_back(job, err)
  core.task.shield(function()
    job.record:release(job.header)
    if job.situation then job.situation:close() else job.connections:close() end
  end)
  err = errors.explain(err, ("job %s cannot be taken up: %s (`siphon undo %s` takes back what it did)"):format(
    job.id, err.message, job.id))
  emit_failed(job, err)
  return nil, err
end

-- While it looks, it has nothing to cancel.
local function not_yet() return false end

-- Looks before anything is done or gone on with; raises on failure.
local function look_again(job)
  look(job)
  local route = job.header.route
  if route then assert(routes.get(route)) end -- one of the operator's own may not be on this host
end

-- One from the queue, of which nothing was done so far.
local function begin_queued(job)
  look_again(job)
  begin(job)
  carry_out(job)
end

-- Why a job failed, from its record.
local function former_error(header)
  local was = header.error
  return was and core.error { code = was.code, message = was.message, retryable = was.retryable }
end

-- Whether a look that failed is the end of this attempt at a job from the queue: nobody can go on with it, though some
-- wait for it. Not when its image is there, which nothing may take back.
local function is_attempt(header, err)
  return header.queue and not header.complete and not err.retryable and not err:is "cancelled"
end

-- Undoes to its end what was being undone when it was cut off, or could not be. There is no image then, so that this is
-- no success of who wanted one.
local function undo_instead(job)
  local why = job.header.state == "undoing" and former_error(job.header)
  local ok, err = execution.undo(job, nil, why)
  if not ok then return nil, err end
  why = why or errors.new("job.undone", "job.resume", "the job had failed; what was left of it has been undone now")
  return nil, final_error(job, why), job.again == nil
end

--- Goes on with a job whose record was taken over, or begins one from the queue: its result, or nil and an error. One
-- that was being undone when it was cut off, or that failed, is undone to its end; then the error is the one that it
-- failed with, and there is a third result: whether nothing is left of the job, so that its copy can be begun anew.
-- One whose image is there has nothing left to do at a source that is gone.
function execution.resume(job)
  local header = job.header
  local is_fresh = attempts.is_fresh(header)
  job.events:emit("job.start", { source = header.source, target = header.target, resumed = not is_fresh or nil })
  if is_fresh then return carry_through(job, keep_lease, job, begin_queued, job) end
  if header.state == "undoing" or header.state == "failed" then return undo_instead(job) end
  local seen, problem = xpcall(lease.keep, errors.handler, job.journal, not_yet, look_again, job)
  if not seen and not (header.complete and problem:is "ENOENT") then
    if is_attempt(header, problem) then return core.task.shield(conclude, job, false, problem) end
    return put_back(job, problem)
  end
  return carry_through(job, function()
    if not header.decision then begin(job) end
    keep_lease(job, header.complete and complete or carry_out, job)
  end)
end

--- Undoes all that a job did whose record was taken over: true, or nil and an error that says what is left behind.
-- forget: the record goes all the same. why: the failure, when the undo belongs to that, so that a job from the queue
-- may be tried again.
function execution.undo(job, forget, why)
  return core.task.shield(function()
    local cause = why or errors.new("job.undone", "job.undo", "undone")
    undo_all(job, former_error(job.header) or cause, { kept_too = true })
    local err = #job.left_behind > 0 and final_error(job, cause) or job.lost
    close_record(job, forget and "undone" or state_of(job), err or cause)
    if err then
      emit_failed(job, err)
    else
      job.events:emit("job.undone", { source = job.header.source, target = job.header.target })
    end
    if job.situation then job.situation:close() else job.connections:close() end
    if err then return nil, err end
    return true
  end)
end

return execution
