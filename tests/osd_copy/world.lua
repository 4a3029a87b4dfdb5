--- Pools of every kind that an image can lie in, with a user who has just the rights that the README recommends,
-- and random images in them. The same seed gives the same images.

local core = require "siphon.core"

local ceph = require "support.ceph"

local rbd = core.rbd
local KIB, MIB = 1 << 10, 1 << 20

local world = {}

local World = {}
World.__index = World

world.FEATURES = { "layering", "exclusive-lock", "object-map", "fast-diff", "deep-flatten" }
local PLAIN = { "layering", "exclusive-lock" }

--- Makes the pools `main`, `other` (replicated) and `coded` (erasure-coded), and a namespace in each of the
-- first two.
function world.new()
  local self = setmetatable({ scratch = ceph.scratch() }, World)
  local scratch, profile = self.scratch, ceph.name "profile"
  ceph.admin(("osd erasure-code-profile set %s k=2 m=1 crush-failure-domain=osd"):format(profile))
  scratch:at_end(function() ceph.admin("osd erasure-code-profile rm " .. profile) end)
  self.main, self.other = scratch:make_pool(), scratch:make_pool()
  self.coded = scratch:make_pool("erasure " .. profile)
  ceph.admin(("osd pool set %s allow_ec_overwrites true"):format(self.coded))
  local caps = {}
  for i, pool in ipairs { self.main, self.other, self.coded } do caps[i] = "profile rbd pool=" .. pool end
  self.id, self.keyring = scratch:make_user(("mon 'profile rbd' osd '%s'"):format(table.concat(caps, ", ")))
  self.cluster = scratch:connect { id = self.id, keyring = self.keyring }
  self.pools = {}
  for _, pool in ipairs { self.main, self.other } do
    self:rbd(("namespace create --pool %s --namespace ns"):format(pool))
  end
  return self
end

--- The `rbd` tool as the user of this world.
function World:rbd(line)
  return ceph.run(self:command(line))
end

function World:command(line)
  return ("env -u CEPH_ARGS rbd --id %s --keyring %s %s"):format(self.id, self.keyring, line)
end

function World:pool(name, namespace)
  local key = name .. "/" .. (namespace or "")
  self.pools[key] = self.pools[key] or assert(self.cluster:pool(name, { namespace = namespace }))
  return self.pools[key]
end

--- "pool/namespace/image"
function world.spec(pool, name)
  local namespace = pool.namespace ~= "" and pool.namespace or nil
  return ("%s/%s%s"):format(pool.name, namespace and namespace .. "/" or "", name)
end

--- An image that `clean` removes.
function World:expect(pool, name)
  return self.scratch:expect(pool, name)
end

function World:clean_images()
  self.scratch:clean_images()
end

function World:clean()
  self:clean_images()
  for _, pool in pairs(self.pools) do pool:close() end
  self.scratch:clean()
end

--- What a copy has to be, found out with `rbd` alone: the same bytes, a map without a fault, clean flags.
-- Returns nil, or what is wrong. `objects`: the bytes of those that the copy says that it has; nil: not to be compared.
function World:faults(source, target, objects)
  local script = ([[
    a=$(%s | md5sum); b=$(%s | md5sum)
    [ "$a" = "$b" ] || echo "other bytes"
    %s || echo "the object map is wrong"
    %s | jq -r '.flags[], (if .parent then "a parent" else empty end)'
  ]]):format(self:command("export --no-progress " .. source .. " -"),
    self:command("export --no-progress " .. target .. " -"),
    self:command("object-map check --no-progress " .. target .. " >/dev/null 2>&1"),
    self:command("info --format json " .. target))
  local wrong = ceph.run(script)
  if wrong ~= "" then return wrong end
  if not objects then return nil end
  local used = ceph.run(self:command("du --format json " .. target) .. " | jq '.images[0].used_size'")
  if tonumber(used) ~= objects then
    return ("rbd du counts %s bytes, the copy has objects of %d"):format(used, objects)
  end
end

--- A source of random choices.
function world.dice(seed)
  local state = seed * 2654435761 + 1
  local dice = {}
  function dice.number(least, most)
    state = state * 6364136223846793005 + 1442695040888963407
    return least + (state >> 33) % (most - least + 1)
  end
  function dice.chance(percent) return dice.number(1, 100) <= percent end
  function dice.pick(list) return list[dice.number(1, #list)] end
  return dice
end

-- Writes, discards, zeroes and, between them, snapshots.
local function scribble(dice, image, size, object_size)
  local taken = #assert(image:snapshots())
  for _ = 1, dice.number(0, 12) do
    local what, offset = dice.number(1, 100), size > 0 and dice.number(0, size - 1) or 0
    local length = dice.pick { 1, 512, 4 * KIB, 64 * KIB, object_size // 2, object_size, 2 * object_size }
    if dice.chance(50) then offset = offset // (4 * KIB) * (4 * KIB) end
    if dice.chance(30) then offset = offset // object_size * object_size end
    length = math.min(length, size - offset, 3 * MIB)
    if length > 0 then
      if what <= 60 then
        assert(image:write(offset, ceph.noise(length, what + offset)))
      elseif what <= 72 then
        assert(image:write(offset, ("\0"):rep(length)))
      elseif what <= 92 then
        assert(image:discard(offset, length))
      elseif taken < 4 then
        taken = taken + 1
        assert(image:snapshot_create("between" .. taken))
      end
    end
  end
end

local function resized(dice, image, size)
  local to = dice.pick { size // 2, size + 3 * MIB + 17, math.max(0, size - 100000), size // 3 }
  assert(image:resize(to, { allow_shrink = true }))
  return to
end

function World:some_pool(dice)
  return self:pool(dice.pick { self.main, self.main, self.other }, dice.chance(25) and "ns" or nil)
end

function World:layout(dice)
  local order = dice.pick { 16, 18, 20, 22, 22 }
  local options = {
    order = order,
    features = dice.chance(75) and world.FEATURES or PLAIN,
    data_pool = dice.chance(20) and self.coded or nil,
  }
  if dice.chance(12) then
    options.stripe_unit, options.stripe_count = (1 << order) // 4, dice.pick { 2, 3, 5 }
  end
  return options
end

-- An image, and what it was cloned from. Returns pool, name and size.
function World:some_image(dice, depth)
  local name, options = ceph.name "random", self:layout(dice)
  local pool = self:some_pool(dice)
  local size
  if depth > 0 then
    local from_pool, from, from_size, from_options = self:some_image(dice, depth - 1)
    size = math.max(from_size, 1) -- what is empty cannot be cloned
    if dice.chance(70) then
      options.order, options.stripe_unit, options.stripe_count =
        from_options.order, from_options.stripe_unit, from_options.stripe_count
    end
    options.order = math.max(options.order, from_options.order)
    if options.stripe_unit then options.stripe_unit = (1 << options.order) // 4 end
    self:clone(dice, from_pool, from, pool, name, options)
  else
    local most = math.min(24 * MIB, 160 << options.order)
    size = dice.chance(3) and 0 or dice.number(1, most)
    if dice.chance(50) then size = size >> options.order << options.order end
    options.size = size
    self:expect(pool, name)
    assert(rbd.create(pool, name, options))
    options.size = nil
  end
  local image <close> = assert(rbd.open(pool, name, { read_only = false }))
  scribble(dice, image, size, 1 << options.order)
  if dice.chance(25) then
    size = resized(dice, image, size)
    scribble(dice, image, size, 1 << options.order)
  end
  return pool, name, size, options
end

-- The clone's parent may lose its snapshot, which then is kept for the clone alone, or go to the trash.
function World:clone(dice, from_pool, from, pool, name, options)
  local parent <close> = assert(rbd.open(from_pool, from, { read_only = false }))
  if parent:size() == 0 then assert(parent:resize(1)) end
  assert(parent:snapshot_create "base")
  -- The first format cannot cross namespaces.
  local second = dice.chance(60) or from_pool.namespace ~= pool.namespace
  if not second then assert(parent:snapshot_protect "base") end
  self:expect(pool, name)
  options.format = second and 2 or 1
  assert(parent:clone("base", pool, name, options))
  options.format = nil
  if second and dice.chance(40) then
    assert(parent:snapshot_remove "base")
  elseif second and dice.chance(40) then
    local id = parent.id
    parent:close()
    assert(rbd.trash_move(from_pool, from))
    self.scratch:in_trash(from, id)
    return
  end
  if dice.chance(50) and parent:size() > 0 then
    assert(parent:write(0, ceph.noise(math.min(parent:size(), 8 * KIB), 99)))
  end
end

--- A random image with a protected snapshot `it`, and a head that has moved on since. Returns its pool and name.
function World:source(dice)
  local pool, name, size, options = self:some_image(dice, dice.pick { 0, 0, 1, 1, 2 })
  local image <close> = assert(rbd.open(pool, name, { read_only = false }))
  assert(image:snapshot_create "it")
  assert(image:snapshot_protect "it")
  scribble(dice, image, size, 1 << options.order)
  if dice.chance(20) then resized(dice, image, size) end
  return pool, name
end

return world
