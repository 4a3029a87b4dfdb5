--- The source of a copy: an RBD image, at a snapshot when the caller named one.

local core = require "siphon.core"
local errors = require "siphon.errors"
local lists = require "siphon.lists"
local nearest = require "siphon.nearest"

local source = {}

local Source = {}
Source.__index = Source

local function no_image(pool, spec, err)
  local names = {}
  for i, entry in ipairs(core.rbd.list(pool) or {}) do names[i] = entry.name end
  local namespace = spec.namespace and (", namespace '%s'"):format(spec.namespace) or ""
  local text = ("there is no image '%s' in pool '%s'%s%s"):format(spec.image, spec.pool, namespace,
    nearest.choices(spec.image, names))
  return errors.new("ENOENT", "rbd.open", text, {
    where = { pool = spec.pool, namespace = spec.namespace, image = spec.image }, cause = err,
  })
end

local function no_snapshot(spec, snapshots)
  local names = {}
  for i, snapshot in ipairs(snapshots) do names[i] = snapshot.name end
  local text = ("the image '%s/%s' has no snapshot '%s'%s"):format(spec.pool, spec.image, spec.snapshot,
    nearest.choices(spec.snapshot, names))
  return errors.new("ENOENT", "rbd.open", text, {
    where = { pool = spec.pool, image = spec.image, snapshot = spec.snapshot },
  })
end

-- The user's snapshot of that name: not one that a group, a mirror or the trash keeps under the same list.
local function find_snapshot(snapshots, name)
  for _, snapshot in ipairs(snapshots) do
    if snapshot.name == name and (snapshot.namespace or "user") == "user" then return snapshot end
  end
end

-- The record of the snapshot that the spec names; an image opened at it needs no further look for it.
local function named_snapshot(image, spec)
  local snapshots, err = image:snapshots()
  if not snapshots then return nil, err end
  local record = find_snapshot(snapshots, spec.snapshot)
  if not record then return nil, no_snapshot(spec, snapshots) end
  return record
end

-- The handle at the snapshot, and the snapshot's record, for a spec that names one.
local function open_at_snapshot(pool, spec)
  local head <close>, err = core.rbd.open(pool, spec.image)
  if not head then return nil, err end
  local record, problem = named_snapshot(head, spec)
  if not record then return nil, problem end
  local image, failure = core.rbd.open(pool, { id = head.id }, { snapshot = record.name })
  return image, image and record or failure
end

local function open_image(pool, spec)
  if spec.snapshot then return open_at_snapshot(pool, spec) end
  return core.rbd.open(pool, spec.image)
end

--- Opens the source read-only (which leaves no watcher on it) and looks at it: a table with spec, fsid, pool, image
-- (the handle), info, and snapshot (a record of the list) when one was named.
function source.open(connections, spec)
  local pool, err = connections:pool(spec.fsid, spec.pool, spec.namespace)
  if not pool then return nil, err end
  local image, record = open_image(pool, spec)
  if not image then
    local missing = record:is("ENOENT") and record.op == "rbd.open" and not record.where.snapshot
    return nil, missing and no_image(pool, spec, record) or record
  end
  local info, problem = image:info()
  if not info then
    image:close()
    return nil, problem
  end
  return setmetatable({
    spec = spec, fsid = connections:cluster(spec.fsid).fsid, pool = pool, image = image, info = info,
    snapshot = spec.snapshot and record or nil,
  }, Source)
end

-- Of a mirrored image that is primary in another cluster nothing can be changed in this one (librbd: EROFS), so neither
-- a snapshot be taken nor one be protected.
local function check_primary(self)
  if not lists.has(self.info.features, "non-primary") or self.snapshot and self.snapshot.protected then return true end
  local what = self.snapshot and "its snapshot cannot be protected" or "no snapshot of it can be taken"
  local text = ("'%s' is mirrored from another cluster and not primary in this one, so that %s here: copy it where it "
    .. "is primary, promote it (`rbd mirror image promote`), or name a snapshot that is protected")
    :format(tostring(self.spec), what)
  return nil, errors.new("source.non_primary", "job.snapshot", text, {
    where = { pool = self.pool.name, image = self.spec.image },
  })
end

-- nil and an error when this user may see the image but not its data, which can lie in another pool.
local function check_readable(self)
  if self.info.readable then return true end
  local pool = self.info.data_pool or self.pool.name
  local text = ("this user (client.%s) may not read the data of '%s' in the pool '%s': give it the osd capability "
    .. "'profile rbd-read-only pool=%s'"):format(self.pool.cluster.id, tostring(self.spec), pool, pool)
  return nil, errors.new("EPERM", "rbd.read", text, { where = { pool = pool, image = self.spec.image }, errno = 1 })
end

--- Whether it can be copied at all: true, or nil and an error of code "EPERM" or "source.non_primary".
function Source:check()
  local readable, err = check_readable(self)
  if not readable then return nil, err end
  return check_primary(self)
end

--- The images below this one, nearest first: { pool, namespace, image, image_id, snapshot, overlap }. A
-- parent that this user may not open ends the list.
function Source:parents(connections)
  local list, parent = {}, self.info.parent
  while parent do
    list[#list + 1] = parent
    local pool = connections:pool(self.fsid, parent.pool, parent.namespace)
    local at = { snapshot_id = parent.snapshot_id }
    local image <close> = pool and core.rbd.open(pool, { id = parent.image_id }, at) or nil
    local info = image and image:info()
    parent = info and info.parent or nil
  end
  return list
end

--- Who holds the image's exclusive lock, { address, client }, or nil. A read-only handle, as this is, cannot ask librbd
-- for it (rbd_lock_get_owners wants one that could take the lock itself).
function Source:lock_owner()
  local lockers = self.pool:lockers("rbd_header." .. self.info.id, "rbd_lock")
  local holder = lockers and lockers[1]
  return holder and { address = holder.address, client = holder.client } or nil
end

--- The limits that are set on the volume itself, as Cinder's back-end QoS does: { rbd_qos_bps_limit = 104857600, ... };
-- nil when there are none.
function Source:throttles()
  local limits
  for key, value in pairs(assert(self.image:metadata())) do
    local name, limit = key:match "^conf_(rbd_qos_[%w_]+_limit)$", math.tointeger(tonumber(value))
    if name and limit and limit > 0 then
      limits = limits or {}
      limits[name] = limit
    end
  end
  return limits
end

-- An owner that serves requests answers within milliseconds; one whose host is busy within seconds.
local PATIENCE = 5

--- Whether the holder of the exclusive lock, as lock_owner tells it, is alive and answers.
function Source:answers(owner)
  for _, client in ipairs(assert(self.pool:notify("rbd_header." .. self.info.id, PATIENCE))) do
    if client == owner.client then return true end
  end
  return false
end

function Source:close()
  self.image:close()
end

source.find_snapshot = find_snapshot

return source
