--- The snapshot that a job copies. A head moves while it is read, and a snapshot that is removed meanwhile
-- reads as zeroes without an error; so every job copies a protected snapshot, and looks at its end whether it
-- still is the same one.
--
-- Without a snapshot in the source's spec the job takes its own, siphon-<job id>, and removes it when it is
-- done (no name that Cinder treats in a special way: "*.clone_snap", "backup.*"). A snapshot that the user
-- named is used as it is; if it is not protected, it is for as long as the job takes (see siphon.protection).

local core = require "siphon.core"
local errors = require "siphon.errors"
local protection = require "siphon.protection"
local replay = require "siphon.replay"
local source = require "siphon.source"

local snapshot = {}

local function data_of(job, fields)
  local from = job.source
  local data = {
    fsid = from.fsid, pool = from.pool.name, namespace = from.pool.namespace, image = from.spec.image,
    image_id = from.info.id,
  }
  for key, value in pairs(fields) do data[key] = value end
  return data
end

local function open_for_writing(job)
  return core.rbd.open(job.source.pool, { id = job.source.info.id }, { read_only = false })
end

-- The rights that a copy needs on the source, in the words of `ceph auth caps`.
local function explain(err, job, what)
  if not err:is("EPERM", "EACCES") then return err end
  return errors.explain(err, ("this user (client.%s) may not %s in the pool '%s': give it the osd capability "
    .. "'profile rbd pool=%s', or name a protected snapshot"):format(job.source.pool.cluster.id, what,
    job.source.pool.name, job.source.pool.name))
end

local function find_by_name(image, name)
  return source.find_snapshot(assert(image:snapshots()), name)
end

-- Whether that is a process which had this job before, and is barred since.
local function was_ours(job, owner)
  for _, address in ipairs(job.header.barred or {}) do
    if address == owner.address then return true end
  end
  return false
end

local function refuse_silent(job, owner)
  errors.raise("source.owner_silent", "job.snapshot", ("%s at %s has %s open and does not answer: a snapshot would "
    .. "have Ceph bar it from the cluster, and its guest lose the disk; see whether that host lives, name a snapshot "
    .. "that is there, or say --fence-dead-owner"):format(owner.client, owner.address, tostring(job.source.spec)), {
    where = { pool = job.source.pool.name, image = job.source.spec.image }, retryable = true,
  })
end

-- Asked for a snapshot, the holder of the exclusive lock writes down what it has in its cache. One that does not
-- answer is barred from the cluster after 30 s, so that a guest which only hangs would lose its disks: siphon asks
-- first whether it answers.
local function check_owner(job)
  if job.request.fence_dead_owner then return end
  local owner = job.source:lock_owner()
  while owner and not was_ours(job, owner) and not job.source:answers(owner) do
    local now = job.source:lock_owner()
    if now and now.client == owner.client then refuse_silent(job, owner) end
    owner = now -- it let go of the image between the two looks
  end
end

-- Whether the source has the snapshot of that name, the same one, and protected.
local function is_protected(job, name, id)
  local image <close> = core.rbd.open(job.source.pool, { id = job.source.info.id })
  local record = image and find_by_name(image, name)
  return record ~= nil and record.id == id and record.protected
end

-- Takes the job's own snapshot.
local function take(job)
  local name = "siphon-" .. job.id
  return job:step("source.snapshot", {
    detail = ("snapshot %s@%s"):format(tostring(job.source.spec), name),
    undo = { "remove_snapshot", data_of(job, { snapshot = name }) },
    untouched = { "source.owner_silent", "EPERM", "EACCES", "EROFS" },
    keep = true,
    still = function(data) return is_protected(job, name, data.snapshot_id) end,
    act = function(note)
      local image <close>, err = open_for_writing(job)
      if not image then return nil, explain(err, job, "take a snapshot") end
      check_owner(job)
      local id, problem = image:snapshot_create(name)
      if not id then return nil, explain(problem, job, "take a snapshot") end
      note { snapshot_id = id }
      assert(image:snapshot_protect(name))
      return assert(find_by_name(image, name))
    end,
  })
end

-- Whether the snapshot is protected for good. That nobody holds it is looked at before and after, since other jobs
-- begin and end meanwhile.
local function is_users_own(job, record)
  local function is_held() return protection.is_held(job.source.pool, job.source.info.id, record.id) end
  return not is_held() and is_protected(job, record.name, record.id) and not is_held()
end

-- Protects the user's snapshot for as long as the job takes.
local function hold(job, record)
  if not replay.has_begun(job, "source.protect") and is_users_own(job, record) then return record end
  local data = data_of(job, { snapshot = record.name, snapshot_id = record.id, job = job.id })
  return job:step("source.protect", {
    detail = ("snapshot %s protected for the time being"):format(tostring(job.source.spec)),
    undo = { "unprotect_snapshot", data },
    keep = true, again = true,
    still = function() return is_protected(job, record.name, record.id) end,
    act = function()
      local image <close>, err = open_for_writing(job)
      if not image then return nil, explain(err, job, "protect a snapshot") end
      local held, problem = protection.take(job.source.pool, image, data)
      if not held then return nil, explain(problem, job, "protect a snapshot") end
      return record
    end,
  })
end

--- Sees to it that there is a protected snapshot to copy; returns its record { id, name, size }.
function snapshot.secure(job)
  if job.source.snapshot then return hold(job, job.source.snapshot) end
  return take(job)
end

--- Raises an error of code "source.changed" unless the snapshot is still there, still the same and still
-- protected.
function snapshot.check(job)
  local image <close> = assert(core.rbd.open(job.source.pool, { id = job.source.info.id }))
  local record = find_by_name(image, job.snapshot.name)
  if not record or record.id ~= job.snapshot.id or not record.protected then
    local what = record and "replaced or unprotected" or "removed"
    local text = ("the snapshot %s@%s was %s while it was copied: the copy cannot be trusted"):format(
      job.source.spec.image, job.snapshot.name, what)
    errors.raise("source.changed", "job.check", text, {
      where = { pool = job.source.pool.name, image = job.source.spec.image, snapshot = job.snapshot.name },
    })
  end
end

--- Leaves the snapshot as it is for good, because something depends on it.
function snapshot.keep(job)
  for _, entry in ipairs(job.entries) do
    local data = entry.step == "source.protect" and entry.data
    local pool = data and job.connections:pool(data.fsid, data.pool, data.namespace)
    if pool then protection.let_go(pool, data) end
  end
end

--- Gives the source back as it was.
function snapshot.release(job)
  job:release("source.snapshot")
  job:release("source.protect")
end

return snapshot
