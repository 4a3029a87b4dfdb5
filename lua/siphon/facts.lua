--- What is known about the two ends of a copy, as plain data for policies, routes and `siphon plan`.
--
-- Each fact is computed when it is first read and then kept: a policy pays only for what it looks at.
-- SECTIONS lists them all, with where each comes from. Reading a name that is not listed raises; setting one
-- raises too. nil means "none" or "not known".

local content = require "siphon.content"
local core = require "siphon.core"
local errors = require "siphon.errors"
local mgr = require "siphon.mgr"
local nearest = require "siphon.nearest"
local qemu = require "siphon.qemu"
local record = require "siphon.target.record"

local facts = {}

-- What a fact is read from: l.source, l.target, l.request, l.connections.
local function info(key)
  return function(l) return l.source.info[key] end
end

local function asked(key)
  return function(l) return l.source.spec[key] end
end

local function target(key)
  return function(l) return l.target[key] end
end

-- { name, type, where the fact comes from, how it is read }
local SECTIONS = {
  { "source",
    { "spec", "string", "as given", function(l) return tostring(l.source.spec) end },
    { "fsid", "string", "rados_cluster_fsid", function(l) return l.source.fsid end },
    { "pool", "string", "as given", asked "pool" },
    { "namespace", "string", "as given", asked "namespace" },
    { "image", "string", "as given", asked "image" },
    { "snapshot", "string", "as given; nil: siphon takes one", asked "snapshot" },
    { "id", "string", "rbd_get_id", info "id" },
    { "size", "bytes", "rbd_get_size, at the snapshot if one is given", info "size" },
    { "order", "integer", "rbd_stat: objects of 2^order bytes", info "order" },
    { "object_size", "bytes", "rbd_stat", info "object_size" },
    { "objects", "integer", "rbd_stat: how many there can be", info "objects" },
    { "allocated", "bytes", "fast-diff: bytes of the objects that exist, parents included; slow without an object map",
      function(l) return (assert(l.source.image:allocated())) end },
    { "features", "list", "rbd_get_features", info "features" },
    { "stripe_unit", "bytes", "rbd_get_stripe_unit", info "stripe_unit" },
    { "stripe_count", "integer", "rbd_get_stripe_count", info "stripe_count" },
    { "data_pool", "string", "rbd_get_data_pool_id", info "data_pool" },
    { "parents", "list", "rbd_get_parent, up the chain as far as this user may open it",
      function(l) return l.source:parents(l.connections) end },
    { "encrypted", "boolean", "first bytes: the LUKS magic", info "encrypted" },
    { "first_bytes", "string", "the first 16 bytes; nil: this user may not read the data", info "first_bytes" },
    { "content", "string",
      "the header that the data begins with: \"qcow2\", \"vmdk\", ...; nil: none that would be mistaken",
      function(l) return content.of(l.source) end },
    { "watchers", "list", "rbd_watchers_list: who has it open for writing, { address, client, cookie }",
      info "watchers" },
    { "in_use", "boolean", "rbd_watchers_list: somebody has it open for writing",
      function(l) return #l.source.info.watchers > 0 end },
    { "lock_owner", "table", "rados_list_lockers: who has the exclusive lock, { address, client }; nil: nobody",
      function(l) return l.source:lock_owner() end },
    { "throttles", "table",
      "rbd_metadata_list: limits set on the volume, { rbd_qos_bps_limit = 104857600, ... }; nil: none",
      function(l) return l.source:throttles() end },
    { "migrating", "boolean", "rbd_get_features", info "migrating" },
    { "journaling", "boolean", "rbd_get_features", info "journaling" },
  },
  { "target",
    { "kind", "string", "as given: \"glance\" or \"rbd\"", target "kind" },
    { "spec", "string", "as given", function(l) return tostring(l.request.target) end },
    { "fsid", "string", "rbd: rados_cluster_fsid; glance: see fsid_from", target "fsid" },
    { "fsid_from", "string", "\"cluster\"; \"glance\" (2025.1 or later), \"asked\" with --pool, or \"assumed\"",
      target "fsid_from" },
    { "pool", "string", "rbd: as given; glance: --pool, or the store's", target "pool_name" },
    { "pool_from", "string", "\"asked\" or \"glance\"", target "pool_from" },
    { "pool_problem", "string", "why the pool is not known; nil: it is", target "pool_problem" },
    { "namespace", "string", "as given", target "namespace" },
    { "image", "string", "rbd: as given; glance: the image's id", target "image_name" },
    { "reachable", "boolean", "there is a connection to the target's cluster, and its pool is known",
      function(l) return l.target.place ~= nil end },
    { "user", "string", "this connection's user", function(l)
      return l.target.place and l.target.place.pool.cluster.name or l.connections.home.name
    end },
    { "order", "integer", "glance: log2 of the store's chunk_size, 8 MiB when not told; rbd: the source's",
      function(l) return l.target:order(l.source) end },
    { "writable", "boolean", "removing an object that does not exist: refused without the right to write",
      function(l) return (assert(l.target:writable())) == "yes" end },
    { "quota", "bytes", "the pool's quota in bytes; nil: none", function(l) return l.target:quota() end },
    { "free", "bytes", "what the quota leaves, or max_avail of `ceph df` when that is less; nil: not known",
      function(l) return l.target:free() end },
    { "erasure_coded", "boolean",
      "the pool's type: it is erasure-coded", function(l) return l.target:erasure_coded() end },
  },
  { "image",
    { "name", "string", "as given, or that of the record that is there",
      function(l) return l.target.name or l.request.target.name end },
    { "disk_format", "string", "as asked; raw", function(l) return l.request.disk_format end },
    { "container_format", "string", "as asked; bare", function(l) return l.request.container_format end },
    { "min_disk", "integer", "GiB: as asked, or what a record that is there says; else the source's size, rounded up",
      function(l) return record.min_disk(l.request, l.target.existing, l.source.info.size) end },
    { "properties", "table", "as asked, over those of the Cinder volume that --properties-from names",
      function(l) return l.target.properties or {} end },
    { "existing", "string", "as asked with --existing-image: its id", function(l) return l.request.existing_image end },
  },
  { "glance",
    { "version", "string", "GET /versions: the newest, as \"v2.15\"", function(l)
      local versions = l.target.client and l.target.client:versions()
      return versions and versions[1] and versions[1].id
    end },
    { "location_api", "string", "GET /versions: \"post\" from 2.17 on, else \"patch\"",
      function(l) return l.target.client and l.target.client:location_api() or nil end },
    { "store", "string", "GET /v2/info/stores: the id of the one that the location is for",
      function(l) return l.target.store and l.target.store.id end },
    { "stores", "list", "GET /v2/info/stores/detail, or /v2/info/stores for those who may not", target "stores" },
  },
  { "ceph",
    { "release", "string", "the monitors' version", function(l)
      local release = l.connections.home:release()
      return release and release.name
    end },
    { "mgr_tasks", "boolean", "`rbd task list`: ceph-mgr takes tasks from this user",
      function(l) return mgr.takes_tasks(l.connections.home) end },
  },
  { "host",
    { "qemu_img", "string", "qemu-img on PATH: its path; nil: it is not installed", function() return qemu.path() end },
    { "scratch", "string", "--scratch, TMPDIR or /var/tmp", function(l) return qemu.scratch(l.request) end },
    { "scratch_free", "bytes", "statvfs", function(l) return (core.system.free_space(qemu.scratch(l.request))) end },
  },
}

--- What facts.options has: the options of the copy, as `siphon copy` and siphon.copy take them.
facts.OPTIONS = {
  "policy", "route", "pool", "image_id", "timeout", "flatten", "compress", "format_options", "allow_format",
  "allow_encrypted", "hash", "stores", "verify", "max_in_flight", "max_rate", "fence_dead_owner",
}

local function read_only(name)
  return function(_, key)
    errors.raise("policy.failed", nil, ("facts%s.%s cannot be set"):format(name, tostring(key)))
  end
end

-- A table that computes its fields when they are read.
local function section(name, entries, look)
  local readers, order, known, values = {}, {}, {}, {}
  for i = 2, #entries do
    local key, read = entries[i][1], entries[i][4]
    readers[key], order[#order + 1] = read, key
  end
  local function value_of(_, key)
    local read = readers[key]
    if not read then
      error(("there is no fact '%s.%s'%s"):format(name, tostring(key), nearest.hint(key, order)), 2)
    end
    if not known[key] then values[key], known[key] = read(look), true end
    return values[key]
  end
  return setmetatable({}, {
    __index = value_of, __newindex = read_only("." .. name), __metatable = false,
    __pairs = function(self)
      local i = 0
      return function()
        while i < #order do
          i = i + 1
          local value = self[order[i]]
          if value ~= nil then return order[i], value end
        end
      end
    end,
  })
end

-- The sections under one roof that knows its names.
local function together(all)
  local names = nearest.keys(all)
  return setmetatable({}, {
    __index = function(_, key)
      if all[key] == nil then
        error(("there is no fact '%s'%s"):format(tostring(key), nearest.hint(key, names)), 2)
      end
      return all[key]
    end,
    __newindex = read_only(""), __metatable = false,
    __pairs = function() return next, all, nil end,
  })
end

--- The facts about a copy. look: { source, target, request, connections }.
function facts.of(look)
  local all = { options = {} }
  for _, entries in ipairs(SECTIONS) do all[entries[1]] = section(entries[1], entries, look) end
  for _, key in ipairs(facts.OPTIONS) do all.options[key] = look.request[key] end
  all.same_cluster = all.source.fsid == all.target.fsid
  return together(all)
end

--- Facts from plain tables, for trying a policy without a cluster:
-- facts.sample { source = {...}, target = {...} }. What is left out is nil.
function facts.sample(given)
  local all = { options = given.options or {} }
  for _, entries in ipairs(SECTIONS) do
    local name, values = entries[1], given[entries[1]] or {}
    local fixed = { name }
    for i = 2, #entries do
      local key = entries[i][1]
      fixed[i] = { key, entries[i][2], entries[i][3], function() return values[key] end }
    end
    all[name] = section(name, fixed)
  end
  all.same_cluster = given.same_cluster
  if all.same_cluster == nil then all.same_cluster = all.source.fsid == all.target.fsid end
  return together(all)
end

--- The names, the origin and the type of every fact: a list of { "source.size", "rbd_get_size, ...", "bytes" }.
function facts.list()
  local list = { { "same_cluster", "source.fsid == target.fsid", "boolean" } }
  for _, entries in ipairs(SECTIONS) do
    for i = 2, #entries do
      local name, kind, origin = table.unpack(entries[i])
      list[#list + 1] = { entries[1] .. "." .. name, origin, kind }
    end
  end
  return list
end

--- Reads every fact: a list of { name, origin, value } or, where reading failed, { name, origin, error }.
function facts.read(all)
  local list = {}
  for i, entry in ipairs(facts.list()) do
    local part, name = entry[1]:match "^(%w+)%.(.*)$"
    local ok, value = pcall(function()
      if part then return all[part][name] end
      return all[entry[1]]
    end)
    if not ok and errors.has_code(value, "cancelled") then error(value, 0) end
    list[i] = { name = entry[1], origin = entry[2] }
    if ok then list[i].value = value else list[i].error = tostring(value) end
  end
  return list
end

return facts
