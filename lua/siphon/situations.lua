--- Realistic situations: what `siphon policy check` asks a policy, and what docs/decisions.md shows. Each is a title
-- and facts that differ from TYPICAL, an idle volume of 20 GiB beside an image store that this user may write to.

local situations = {}

local GIB = 1 << 30

local function features(...)
  return { "layering", "exclusive-lock", "object-map", "fast-diff", "deep-flatten", ... }
end

--- What is so unless a situation says otherwise.
situations.TYPICAL = {
  source = {
    spec = "volumes/vm1", fsid = "4b1d2a5e-0c3f-4f0e-9d55-7f2a3b6c8d90", pool = "volumes", image = "vm1",
    id = "5e2c6b8b4567",
    size = 20 * GIB, order = 22, object_size = 4 << 20, objects = 5120, allocated = 6 * GIB, features = features(),
    stripe_unit = 4 << 20, stripe_count = 1, parents = {}, watchers = {}, in_use = false, migrating = false,
    journaling = false, first_bytes = ("\0"):rep(16),
  },
  target = {
    kind = "glance", spec = "glance:golden", fsid = "4b1d2a5e-0c3f-4f0e-9d55-7f2a3b6c8d90", fsid_from = "assumed",
    pool = "images", pool_from = "glance", reachable = true, user = "client.siphon",
    image = "8a7f1a52-6f0b-4a0b-8f0b-2f4b7f0c9f10", order = 23, writable = true, free = 900 * GIB,
      erasure_coded = false,
  },
  image = { name = "golden", disk_format = "raw", container_format = "bare", min_disk = 20, properties = {} },
  glance = { version = "v2.15", store = "ceph", stores = {} },
  ceph = { release = "reef", mgr_tasks = true },
  host = { qemu_img = "/usr/bin/qemu-img", scratch = "/var/tmp", scratch_free = 200 * GIB },
  options = {},
}

local ELSEWHERE = "d0c9e6a4-1b2f-4b7a-8c55-0a9b8c7d6e5f"

--- { title, facts } each.
situations.LIST = {
  { "an idle volume, the image store in the same cluster", {} },
  { "a volume attached to a running guest", {
    source = { in_use = true, watchers = { { address = "192.0.2.7:0/1234", client = "client.4123", cookie = 1 } },
      lock_owner = { address = "192.0.2.7:0/1234", exclusive = true } } } },
  { "a volume made from an image: a clone, one level deep", {
    source = { parents = { { pool = "images", image = "base", snapshot = "snap", overlap = 10 * GIB } } } } },
  { "2 TiB, of which 1.5 TiB hold data", {
    source = { size = 2048 * GIB, allocated = 1536 * GIB, objects = 524288 }, target = { free = 9000 * GIB } } },
  { "the image store is in another cluster", { target = { fsid = ELSEWHERE, fsid_from = "glance",
      reachable = false } } },
  { "Glance does not tell the pool of its images", {
    target = { fsid = false, pool = false, pool_from = false, fsid_from = false, reachable = false,
      pool_problem = "Glance tells the pool of its images only to the roles admin and service: "
        .. "name it with --pool" } } },
  { "this user may not write to the pool of the images", { target = { writable = false } } },
  { "a qcow2 image is wanted", { image = { disk_format = "qcow2" } } },
  { "a vmdk image is wanted, and qemu-img is not installed", {
    image = { disk_format = "vmdk" }, host = { qemu_img = false } } },
  { "a volume that is being migrated to another pool", { source = { migrating = true,
      features = features "migrating" } } },
  { "a striped volume with journaling, mirrored", {
    source = { stripe_unit = 64 << 10, stripe_count = 16, journaling = true, features = features "journaling" } } },
  { "another RBD image instead of a Glance image, in another cluster that is connected", {
    target = { kind = "rbd", spec = "backup/vm1", fsid = ELSEWHERE, fsid_from = "cluster", pool = "backup",
      pool_from = "asked",
      image = "vm1", order = 22 }, image = { name = false } } },
}

local function is_list(value)
  return #value > 0 or next(value) == nil
end

-- `over` on top of `under`; false takes a fact away.
local function merge(under, over)
  local result = {}
  for key, value in pairs(under) do result[key] = value end
  for key, value in pairs(over or {}) do
    local below = result[key]
    if type(value) == "table" and type(below) == "table" and not is_list(value) and not is_list(below) then
      result[key] = merge(below, value)
    else
      result[key] = value
    end
  end
  return result
end

local function without_false(sections)
  for _, section in pairs(sections) do
    if type(section) == "table" then
      for key, value in pairs(section) do
        local keep = value ~= false or type(situations.TYPICAL.source[key]) == "boolean"
          or type(situations.TYPICAL.target[key]) == "boolean"
        if not keep then section[key] = nil end
      end
    end
  end
  return sections
end

--- Facts that are TYPICAL but for what is given: { source = { size = 1 << 40 } }. A fact given as false that is not
-- a yes-or-no fact is one that is not known.
function situations.facts(given)
  return require("siphon.facts").sample(without_false(merge(situations.TYPICAL, given)))
end

return situations
