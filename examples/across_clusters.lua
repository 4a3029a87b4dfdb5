-- Copies a volume into another Ceph cluster, and compares both by their hashes: each side is read by itself.
--
--   siphon run examples/across_clusters.lua CONF ID VOLUME POOL/IMAGE      CONF and ID: of the other cluster

local conf, id, volume, target = table.unpack(arg)
if not target then
  io.stderr:write("usage: siphon run across_clusters.lua CONF ID VOLUME POOL/IMAGE\n")
  os.exit(64)
end

-- What the image holds now, as a hash.
local function hash(cluster, spec)
  local place = assert(siphon.spec.parse(spec))
  local pool <close> = assert(cluster:pool(place.pool, { namespace = place.namespace }))
  local image <close> = assert(siphon.rbd.open(pool, place.image, { snapshot = place.snapshot }))
  return assert(image:digest("sha256")).value
end

local here <close> = assert(siphon.rados.connect())
local there <close> = assert(siphon.rados.connect { conf = conf, id = id })

local result = assert(siphon.copy { source = volume, target = target, target_conf = conf, target_id = id })
local hashes = siphon.task.gather {
  function() return hash(here, volume) end,
  function() return hash(there, target) end,
}
if hashes[1] ~= hashes[2] then error(("%s and its copy %s differ"):format(volume, target)) end
print(("%s in cluster %s, %s by route %s, sha256 %s"):format(target, there.fsid, siphon.units.bytes(result.bytes.size),
  result.route, hashes[1]))
