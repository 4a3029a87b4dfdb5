--- siphon.copy and siphon.plan: the whole of a copy, from what was asked for to the image that is there.

local core = require "siphon.core"
local errors = require "siphon.errors"
local facts = require "siphon.facts"
local hashes = require "siphon.hashes"
local jobs = require "siphon.job"
local plan = require "siphon.plan"
local policies = require "siphon.policy"
local quiesce = require "siphon.quiesce"
local requests = require "siphon.request"
local routes = require "siphon.routes"
local snapshot = require "siphon.snapshot"

local copy = {}

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
end

-- Tries the routes that apply, in order. One that gives up is undone before the next begins.
local function take_route(job, decision)
  local tried = {}
  for _, entry in ipairs(decision.considered) do
    if not entry.applies then
      tell(job, "skipped", entry.route, entry.reason)
    else
      local route = routes.get(entry.route)
      job.route, job.parent = entry.route, route.parent
      tell(job, "chosen", entry.route, decision.reason)
      local before = #job.entries
      local ok, err = xpcall(hashes.run, errors.handler, job, route)
      if ok then return route end
      if not is_unsuitable(route, err) then error(err, 0) end
      tried[#tried + 1] = { route = entry.route, error = err }
      tell(job, "unsuitable", entry.route, err.message)
      job:undo(before)
      job.bytes.copied = 0
    end
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
  if route.parent ~= "kept" then return snapshot.release(job) end
  job:emit_step("source.snapshot", "note", {
    detail = ("the snapshot %s@%s stays: the image depends on it"):format(job.facts.source.image, job.snapshot.name),
  })
end

-- All of it; raises on failure. What has to be undone is on the job's record.
local function perform(job)
  local situation = assert(plan.look(job.request))
  job.situation, job.connections = situation, situation.connections
  job.source, job.target, job.facts = situation.source, situation.target, situation.facts
  situation.policy.set_log(function(text) job:emit_step("policy", "note", { detail = text }) end)
  assert(situation:check())
  local decision = assert(situation:decide())
  -- Without an object map counting takes as long as copying: then what was copied has to stand for it.
  if job.source.info.fast_diff then job.bytes.allocated = job.facts.source.allocated end
  policies.call(situation.policy, "before", job)
  job.target:prepare(job)
  job.snapshot = quiesce.around(job, snapshot.secure)
  job.bytes.size = job.snapshot.size
  local route = take_route(job, decision)
  snapshot.check(job)
  finish(job, situation.policy)
  if route.finish then
    route.finish(job)
    snapshot.check(job)
  end
  let_go(job, route)
end

-- Calls fn, within `seconds` if there is such a bound; raises on failure.
local function bounded(seconds, fn, ...)
  if not seconds then return fn(...) end
  local _, err = core.task.timeout(seconds, fn, ...)
  if err == nil then return end
  if err:is("timeout") then
    err = errors.new("timeout", "siphon.copy", ("it was not done within the %g seconds that --timeout allows")
      :format(seconds), { retryable = true, cause = err })
  end
  error(err, 0)
end

local function result_of(job)
  local result = job.target:result()
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

-- What a person has to know of a failure: why, and what is still there because it could not be undone.
local function final_error(job, err)
  local why, left = err:is("cancelled") and "interrupted" or err.message, {}
  for i, entry in ipairs(job.left_behind) do left[i] = entry.text end
  if #left > 0 then return errors.explain(err, ("%s; left behind: %s"):format(why, table.concat(left, ", "))) end
  if err:is("cancelled") then return errors.explain(err, why .. "; what was begun has been undone") end
  return err
end

local function fail(job, err)
  job:undo()
  err = final_error(job, err)
  job.events:emit("job.failed", {
    source = tostring(job.request.source), target = tostring(job.request.target), error = errors.plain(err),
    seconds = core.task.now() - job.started, left_behind = require("siphon.json").array(job.left_behind),
  })
  return nil, err
end

-- The end of every job, told once, whatever interrupts meanwhile.
local function conclude(job, ok, failure)
  local result, err
  if ok then
    result = result_of(job)
    job.events:emit("job.done", with_nulls(result))
  else
    result, err = fail(job, failure)
  end
  if job.situation then job.situation:close() end
  return result, err
end

--- siphon.copy(options) -> result | nil, err
-- Copies an RBD image to a Glance image or to another RBD image. options:
--   source            "pool/[namespace/]image[@snapshot]"
--   target            "glance:NAME" or "pool/[namespace/]image"
--   policy            name or file (default: "default")
--   route             take this route, whatever the policy says
--   pool              the pool of Glance's images (default: what Glance tells)
--   image_id          UUID of the Glance image (default: a new one)
--   disk_format, container_format   of the Glance image (default: raw, bare)
--   existing_image    UUID of a record that is there and queued; then `target` may be left out
--   properties_from   UUID of a Cinder volume whose image metadata the image gets too
--   properties        { name = value }; tags, stores: lists of names; visibility, owner; protected, hidden: booleans
--   min_disk          GiB (default: the source's size, rounded up); min_ram: MiB
--   hash              "sha512" or "sha256": register this hash and the MD5 of the data (default: none)
--   flatten           "mgr": ceph-mgr flattens clones, and not this host
--   compress, format_options, scratch   of the route convert: compress a qcow2; options for `qemu-img convert -o`;
--                                       the
--                     directory for its file
--   allow_format      the format whose header the volume may begin with; allow_encrypted: it may begin with LUKS
--   freeze_command, thaw_command   command lines of the shell around the moment of the snapshot
--   verify            "checksum" (default), "read" or "none"; max_in_flight: objects; max_rate: bytes a second: of the
--                     route osd_copy
--   fence_dead_owner  take the snapshot though the holder of the volume's lock does not answer
--   target_conf, target_id, target_keyring   the target's Ceph cluster, when it is another one
--   timeout           seconds for all of it
--   check_space       false: do not refuse when the pool may run full
--   conf, cluster, id, name, keyring   the Ceph connection, as the ceph tools have them
--   connection        an open siphon.rados.Cluster instead
--   os_cloud, os_region_name, os_interface, os_service_cloud   which cloud (see siphon.clouds)
--   glance            a siphon.glance client instead of that cloud's
--   journal           where the job's record is kept (see siphon.journal)
--   on_event          function(event), see siphon.event
-- result: { job, source, target, route, image_id, location, hash = { checksum, os_hash_algo, os_hash_value } (nil:
-- none), bytes = { size, allocated, copied, through_host }, seconds }. On failure everything is undone before
-- it returns. Misuse raises.
function copy.copy(options)
  local request, err = requests.new(options, "siphon.copy")
  if not request then return nil, err end
  request.job_id = jobs.new_id()
  local job = jobs.new(request)
  job.events:emit("job.start", { source = tostring(request.source), target = tostring(request.target) })
  local ok, failure = xpcall(bounded, errors.handler, request.timeout, perform, job)
  return core.task.shield(conclude, job, ok, failure)
end

-- Looks, without changing anything, and calls fn with what was seen; returns what it returns, or nil and an error.
local function look(options, op, fn)
  local request, err = requests.new(options, op)
  if not request then return nil, err end
  request.job_id = jobs.new_id()
  local result, failure
  local ok, raised = xpcall(bounded, errors.handler, request.timeout, function()
    local situation <close> = assert(plan.look(request))
    result, failure = fn(situation)
  end)
  if not ok then return nil, raised end
  return result, failure
end

--- siphon.plan(options) -> plan | nil, err
-- What siphon.copy would do with the same options, without doing it: { source, target, policy, route,
-- summary, reason, others = { { route, applies, reason } }, steps = { text }, image_id, throttles (limits of the
-- source's own that hold for it), bytes, facts }.
function copy.plan(options)
  return look(options, "siphon.plan", function(situation) return situation:describe() end)
end

--- All that a policy can know of the same copy: see siphon.facts.read.
function copy.facts(options)
  return look(options, "siphon.plan", function(situation) return facts.read(situation.facts) end)
end

return copy
