--- The trial: a volume of 4 MiB becomes a Glance image and is downloaded again, so that it is known and not guessed
-- whether Glance takes the location and its own Ceph user can read what is registered; and the OSDs copy it once. All
-- of it is removed again.

local core = require "siphon.core"
local errors = require "siphon.errors"
local siphon = require "siphon"

local trial = {}

local SIZE = 4 << 20

local function random_name()
  return "siphon-doctor-" .. core.system.random(4):gsub(".", function(c) return ("%02x"):format(c:byte()) end)
end

local function make_volume(pool, name, content)
  assert(core.rbd.create(pool, name, { size = SIZE, features = { "layering", "exclusive-lock" } }))
  local image <close> = assert(core.rbd.open(pool, name, { read_only = false }))
  assert(image:write(0, content))
  assert(image:flush())
end

local function request(world, fields)
  fields.connection, fields.glance = world.cluster, world.glance
  return fields
end

-- By way of Glance, and back.
local function try_glance(findings, world, source, content)
  local copied, err = siphon.copy(request(world, {
    source = source, target = "glance:" .. source:match "[^/]+$", pool = world.images_pool or world.options.images_pool,
    route = "copy",
  }))
  if not copied then
    return findings:problem("trial", "register", errors.line(err), "what was begun has been undone", err)
  end
  findings:ok("trial", "register", "Glance took the location of a small image")
  local data, unreadable = world.glance:download(copied.image_id, nil, { max_body = 2 * SIZE })
  if not data then
    findings:problem("trial", "read", "Glance cannot read what it took: " .. errors.line(unreadable),
      "Glance's own Ceph user needs osd 'profile rbd' in that pool", unreadable)
  elseif #data ~= SIZE or data:sub(1, #content) ~= content then
    findings:problem("trial", "read", ("Glance gives back other data, %d bytes"):format(#data))
  else
    findings:ok("trial", "read", "Glance gives back the same data: its own user can read it")
  end
  local deleted, left = world.glance:delete(copied.image_id)
  if not deleted then
    findings:problem("trial", "remove", errors.line(left), "openstack image delete " .. copied.image_id, left)
  end
end

-- Among the OSDs.
local function try_osds(findings, world, pool, source, name)
  local copy = name .. "-copy"
  local copied, err = siphon.copy(request(world, {
    source = source, target = pool.name .. "/" .. copy, route = "osd_copy",
  }))
  if not copied then
    return findings:warn("trial", "osd_copy", errors.line(err), "the other routes do without it", err)
  end
  findings:ok("trial", "osd_copy", "the OSDs copy objects for this user")
  core.task.shield(core.rbd.remove, pool, copy)
end

function trial.examine(findings, world)
  if not world.options.trial then
    return findings:skip("trial", "copy", "--trial copies 4 MiB to Glance, reads them there and removes them again")
  end
  local from = (world.writable or {})[1]
  for _, name in ipairs(world.writable or {}) do
    if from == world.images_pool then from = name end -- rather not among Glance's own
  end
  if not (from and world.glance) then
    return findings:skip("trial", "copy", "there is no pool to make a volume in, or no Glance: see above")
  end
  local pool <close> = assert(world.cluster:pool(from))
  local name, content = random_name(), core.system.random(256):rep(256)
  local source = from .. "/" .. name
  -- Whatever becomes of it, nothing stays.
  local _ <close> = setmetatable({}, { __close = function() core.task.shield(core.rbd.remove, pool, name) end })
  local _, err = world.try(make_volume, pool, name, content)
  if err then return findings:problem("trial", "volume", errors.line(err), nil, err) end
  try_glance(findings, world, source, content)
  try_osds(findings, world, pool, source, name)
end

return trial
