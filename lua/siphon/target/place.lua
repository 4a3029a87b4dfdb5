--- The place of a copy: an image in a pool that does not exist yet, under a name that only this job uses.
-- Both kinds of target stand on it, and routes make their copy in it.

local core = require "siphon.core"
local errors = require "siphon.errors"

local place = {}

-- librbd's default (rbd_default_features = 61), which is what Glance and Cinder give their images; written
-- out so that neither a client's ceph.conf nor the source (journaling!) changes what the copy can do.
place.FEATURES = { "layering", "exclusive-lock", "object-map", "fast-diff", "deep-flatten" }

local Place = {}
Place.__index = Place

--- pool: a handle; name: the image's name while it is made.
function place.new(pool, name)
  return setmetatable({ pool = pool, name = name, features = place.FEATURES }, Place)
end

--- "pool/namespace/image", for people.
function Place:text()
  local namespace = self.pool.namespace
  return self.pool.name .. "/" .. (namespace and namespace ~= "" and namespace .. "/" or "") .. self.name
end

--- What the undos of steps on this image are given.
function Place:data(fields)
  local data = { fsid = self.pool.cluster.fsid, pool = self.pool.name, namespace = self.pool.namespace,
    image = self.name }
  for key, value in pairs(fields or {}) do data[key] = value end
  return data
end

--- Opens the image: place:open { read_only = false }.
function Place:open(options)
  return core.rbd.open(self.pool, self.name, options)
end

--- true when no image of that name exists, else nil and an error of code "EEXIST" (or why that is not known).
function Place:is_vacant(name)
  name = name or self.name
  local image, err = core.rbd.open(self.pool, name)
  if not image then
    if err:is("ENOENT") then return true end
    return nil, err
  end
  image:close()
  local text = ("the image '%s/%s' exists already: choose another name, or remove it"):format(
    self.pool.name, name)
  return nil, errors.new("EEXIST", "rbd.create", text, { where = { pool = self.pool.name, image = name } })
end

--- Whether this user may write to the pool: "yes" or "no", or nil and an error. Asking to remove an object
-- that is not there changes nothing; without the right the OSD refuses it before it looks.
function Place:writable()
  local removed, err = self.pool:remove("siphon.probe." .. self.name)
  if removed or err:is("ENOENT") then return "yes" end
  if err:is("EPERM", "EACCES") then return "no" end
  return nil, err
end

--- Bytes that the pool's quota allows in all; nil without a quota.
function Place:quota()
  local quota = self.pool:quota()
  return quota and quota.max_bytes and quota.max_bytes > 0 and quota.max_bytes or nil
end

-- What `ceph df` says can still be written to the pool; nil when the monitors do not tell this user.
local function max_avail(pool)
  local answer = pool.cluster:mon_command { prefix = "df", format = "json" }
  local df = answer and require("siphon.json").decode(answer)
  for _, entry in ipairs(df and df.pools or {}) do
    if entry.id == pool.id then return entry.stats.max_avail end
  end
end

--- Bytes that can still be written; nil when that is not known.
function Place:free()
  local free, quota = max_avail(self.pool), self:quota()
  if quota then
    local used = self.pool:stat()
    local left = used and math.max(0, quota - used.bytes)
    free = left and math.min(free or left, left) or free
  end
  return free and math.tointeger(free)
end

function Place:erasure_coded()
  return (self.pool:erasure_coded())
end

--- nil and an error when this user may not write there.
function Place:check(facts)
  if not facts.target.writable then
    local text = ("this user (client.%s) may not write to the pool '%s': give it the osd capability "
      .. "'profile rbd pool=%s'"):format(self.pool.cluster.id, self.pool.name, self.pool.name)
    return nil, errors.new("EPERM", "rbd.create", text, { where = { pool = self.pool.name }, errno = 1 })
  end
  return true
end

--- Raises unless the copy has the size of the source's snapshot, stands on its own, and took no image-meta
-- along (a throttle of the volume would slow down every clone of the image). `at`: a snapshot of the copy, or
-- nil. `parent`: it may lean on its source, for now or for good (see siphon.routes).
function Place:expect_copy_of(snapshot, at, parent)
  local image <close> = assert(self:open { snapshot = at })
  local info = assert(image:info())
  local function fail(code, text)
    errors.raise(code, "job.verify", ("%s %s"):format(self:text(), text), { where = self:data() })
  end
  if info.size ~= snapshot.size then
    fail("verify.size", ("has %d bytes, the source's snapshot has %d"):format(info.size, snapshot.size))
  end
  if info.parent and not parent then fail("verify.parent", "still depends on a parent image") end
  if next(assert(image:metadata())) then fail("verify.metadata", "carries image-meta of its source") end
end

return place
