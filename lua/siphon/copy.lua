--- siphon.copy and siphon.plan: the whole of a copy, from what was asked for to the image that is there.

local errors = require "siphon.errors"
local execution = require "siphon.execution"
local facts = require "siphon.facts"
local jobs = require "siphon.job"
local plan = require "siphon.plan"
local requests = require "siphon.request"

local copy = {}

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
--   verify            "checksum" (default), "read" or "none": of the route osd_copy
--   max_in_flight     objects at once; max_rate: bytes a second: of the routes osd_copy and copy
--   fence_dead_owner  take the snapshot though the holder of the volume's lock does not answer
--   target_conf, target_id, target_keyring   the target's Ceph cluster, when it is another one
--   timeout           seconds for all of it
--   check_space       false: do not refuse when the pool may run full
--   conf, cluster, id, name, keyring   the Ceph connection, as the ceph tools have them
--   connection        an open siphon.rados.Cluster instead
--   os_cloud, os_region_name, os_interface, os_service_cloud   which cloud: see siphon.clouds.open. One that is given
--                     as a table is not in the job's record: who resumes the job gives it again
--   glance            a siphon.glance client instead of that cloud's
--   journal_pool      "pool[/namespace]" where the job's record is kept (default: the source's, see siphon.journal)
--   no_journal        the record is in this process only: nobody can take the job over when it is cut off
--   resume            go on with the unfinished job of the same source and target, in the same cluster, if there is
--                     one; if the last one is done and its image is there, that is the result
--   on_event          function(event), see siphon.event
-- result: { job, source, target, route, image_id, location, hash = { checksum, os_hash_algo, os_hash_value } (nil:
-- none), bytes = { size, allocated, copied, through_host }, seconds }. On failure everything is undone before
-- it returns. Misuse raises.
function copy.copy(options)
  local request, err = requests.new(options, "siphon.copy")
  if not request then return nil, err end
  if request.resume then
    local result, problem = require("siphon.jobs").resume_same(request, options)
    if result or problem then return result, problem end
  end
  request.job_id = jobs.new_id()
  request.record = requests.record(options)
  return execution.run(jobs.new(request))
end

-- Looks, without changing anything, and calls fn with what was seen; returns what it returns, or nil and an error.
local function look(options, op, fn)
  local request, err = requests.new(options, op)
  if not request then return nil, err end
  request.job_id = jobs.new_id()
  local result, failure
  local ok, raised = xpcall(execution.bounded, errors.handler, request.timeout, function()
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
