local ceph = require "support.ceph"
local core = require "siphon.core"

local rbd = core.rbd
local MIB = 1 << 20
local ALL = { "layering", "exclusive-lock", "object-map", "fast-diff", "deep-flatten" }

describe("image:info", function()
  local scratch, pool

  setup(function()
    scratch = ceph.scratch()
    pool = scratch:pool "volumes"
  end)
  teardown(function() scratch:clean() end)
  after_each(function() scratch:clean_images() end)

  local function info_of(name, options)
    local image <close> = assert(rbd.open(pool, name, options))
    return assert(image:info())
  end

  it("describes a plain image", function()
    local name = scratch:image(pool, { size = 10 * MIB + 512, features = ALL, data = { [0] = "0123456789abcdefXYZ" } })
    local info = info_of(name)
    assert.equal(name, info.name)
    assert.equal(10 * MIB + 512, info.size)
    assert.equal(22, info.order)
    assert.equal(4 * MIB, info.object_size)
    assert.equal(3, info.objects)
    assert.equal(4 * MIB, info.stripe_unit)
    assert.equal(1, info.stripe_count)
    assert.equal("rbd_data." .. info.id, info.block_name_prefix)
    assert.is_true(math.abs(info.created - os.time()) < 60)
    assert.same(ALL, info.features)
    assert.same({}, info.flags)
    assert.is_true(info.fast_diff)
    assert.is_false(info.journaling)
    assert.is_false(info.migrating)
    assert.is_true(info.readable)
    assert.equal("0123456789abcdef", info.first_bytes)
    assert.same({}, info.watchers)
    for _, key in ipairs { "parent", "group", "data_pool", "encrypted", "lock_owner", "snapshot", "snapshot_id" } do
      assert.is_nil(info[key], key)
    end
  end)

  it("describes an image of 0 bytes, and one of 5", function()
    local info = info_of(scratch:image(pool, { size = 0 }))
    assert.equal(0, info.size)
    assert.equal(0, info.objects)
    assert.equal("", info.first_bytes)
    assert.is_true(info.readable)
    assert.equal(5, #info_of(scratch:image(pool, { size = 5 })).first_bytes)
  end)

  it("describes a snapshot", function()
    local name = scratch:image(pool, { size = 8 * MIB, data = { [0] = "before" } })
    local image <close> = assert(rbd.open(pool, name, { read_only = false }))
    local id = assert(image:snapshot_create "s1")
    assert(image:resize(12 * MIB))
    assert(image:write(0, "after!"))
    local info = info_of(name, { snapshot = "s1" })
    assert.equal(8 * MIB, info.size)
    assert.equal("s1", info.snapshot)
    assert.equal(id, info.snapshot_id)
    assert.equal("before", info.first_bytes:sub(1, 6))
    assert.equal(12 * MIB, assert(image:info()).size)
  end)

  it("finds the parent", function()
    local namespace = ceph.name "ns"
    ceph.run(("rbd namespace create volumes/%s"):format(namespace))
    scratch:at_end(function() ceph.run(("rbd namespace rm volumes/%s"):format(namespace)) end)
    local inner = scratch:pool("volumes", namespace)
    local parent_name = scratch:image(inner, { size = 8 * MIB })
    local parent <close> = assert(rbd.open(inner, parent_name, { read_only = false }))
    local snapshot_id = assert(parent:snapshot_create "base")
    assert(parent:snapshot_protect "base")
    local name = scratch:expect(pool, ceph.name "clone")
    assert(parent:clone("base", pool, name, { features = { "layering" }, format = 2 }))
    assert.same({
      pool = "volumes", pool_id = pool.id, namespace = namespace, image = parent_name, image_id = parent.id,
      snapshot = "base", snapshot_id = snapshot_id, snapshot_type = "user", overlap = 8 * MIB, trash = false,
    }, info_of(name).parent)
    local clone <close> = assert(rbd.open(pool, name, { read_only = false }))
    assert(clone:resize(5 * MIB, { allow_shrink = true }))
    assert.equal(5 * MIB, assert(clone:info()).parent.overlap)
    assert(clone:flatten())
    assert.is_nil(assert(clone:info()).parent)
  end)

  it("finds a parent whose snapshot is gone, and one in the trash", function()
    local parent_name = scratch:image(pool)
    local parent = assert(rbd.open(pool, parent_name, { read_only = false }))
    local parent_id = parent.id
    assert(parent:snapshot_create "base")
    local name = scratch:expect(pool, ceph.name "clone")
    assert(parent:clone("base", pool, name, { format = 2 }))
    assert(parent:snapshot_remove "base")
    assert.equal("trash", info_of(name).parent.snapshot_type)
    assert.equal("trash", assert(parent:snapshots())[1].namespace)
    parent:close()
    assert(rbd.trash_move(pool, parent_name))
    local seen = info_of(name).parent
    assert.is_true(seen.trash)
    assert.equal(parent_id, seen.image_id)
    do
      local by_id <close> = assert(rbd.open(pool, { id = parent_id }, { snapshot_id = seen.snapshot_id }))
      assert.equal(16 * MIB, by_id:size())
    end
    assert(rbd.trash_restore(pool, parent_id))
  end)

  it("tells users of the image", function()
    local name = scratch:image(pool)
    local image <close> = assert(rbd.open(pool, name))
    assert.same({}, image:watchers())
    assert.is_nil(image:lock_owner())
    local writer <close> = assert(rbd.open(pool, name, { read_only = false }))
    local watchers = assert(image:watchers())
    assert.equal(1, #watchers)
    assert.equal(pool.cluster.address, watchers[1].address)
    assert.equal(pool.cluster.client, watchers[1].client)
    assert.is_nil(image:lock_owner())
    assert(writer:write(0, "x"))
    local owner = { address = pool.cluster.address, client = pool.cluster.client, exclusive = true, automatic = true }
    assert.same(owner, image:lock_owner())
    assert.same(owner, writer:lock_owner())
    local info = assert(image:info())
    assert.same(owner, info.lock_owner)
    assert.equal(1, #info.watchers)
    writer:close()
    assert.same({}, image:watchers())
    assert.is_nil(image:lock_owner())
  end)

  it("tells a lock that a user took", function()
    local name = scratch:image(pool, { features = { "layering" } })
    ceph.run(("rbd lock add --shared tag volumes/%s by-hand"):format(name))
    local image <close> = assert(rbd.open(pool, name))
    local owner = assert(image:lock_owner())
    assert.is_false(owner.exclusive)
    assert.is_false(owner.automatic)
    assert.matches("^127%.0%.0%.1:0/%d+$", owner.address)
    ceph.run(("rbd lock rm volumes/%s by-hand %s"):format(name, owner.client))
    ceph.admin("osd blocklist rm " .. owner.address) -- whose lock it was is barred
    assert.is_nil(image:lock_owner())
  end)

  it("says when the object map is no help", function()
    local image <close> = assert(rbd.open(pool, scratch:image(pool), { read_only = false }))
    assert.is_false(assert(image:info()).fast_diff)
    assert(image:update_features { enable = { "object-map", "fast-diff" } })
    local info = assert(image:info())
    assert.same({ "object map invalid", "fast diff invalid" }, info.flags)
    assert.is_false(info.fast_diff)
    assert(image:rebuild_object_map())
    assert.is_true(assert(image:info()).fast_diff)
  end)

  it("tells journaling, groups and data in another place", function()
    local name = scratch:image(pool, { features = { "layering", "exclusive-lock", "journaling" } })
    assert.is_true(info_of(name).journaling)
    local group = ceph.name "group"
    ceph.run(("rbd group create volumes/%s"):format(group))
    scratch:at_end(function() ceph.run(("rbd group rm volumes/%s"):format(group)) end)
    ceph.run(("rbd group image add volumes/%s volumes/%s"):format(group, name))
    assert.same({ name = group, pool = "volumes" }, info_of(name).group)
    ceph.run(("rbd group image rm volumes/%s volumes/%s"):format(group, name))
    local split = scratch:image(pool, { data_pool = "images" })
    local info = info_of(split)
    assert.equal("images", info.data_pool)
    assert.equal(("rbd_data.%d.%s"):format(pool.id, info.id), info.block_name_prefix)
  end)

  it("recognizes encryption by what is at the start", function()
    for start, expected in pairs {
      ["LUKS\xba\xbe\0\1"] = "luks1", ["LUKS\xba\xbe\0\2"] = "luks2", ["RBDL\xba\xbe\0\1"] = "luks1-layered",
      ["RBDL\xba\xbe\0\2"] = "luks2-layered", ["LUKSxx\0\1"] = false, ["QFI\xfb\0\0\0\3"] = false,
    } do
      local info = info_of(scratch:image(pool, { data = { [0] = start } }))
      assert.equal(expected or nil, info.encrypted)
      assert.equal(start, info.first_bytes:sub(1, 8))
    end
    assert.is_nil(info_of(scratch:image(pool, { size = 4 })).encrypted)
  end)

  it("does not fail for data that may not be read", function()
    local name = scratch:image(pool, { data_pool = "images", data = { [0] = "secret" } })
    local id, keyring = scratch:make_user "mon 'profile rbd' osd 'profile rbd-read-only pool=volumes'"
    local other <close> = assert(scratch:connect({ id = id, keyring = keyring }):pool "volumes")
    local image <close> = assert(rbd.open(other, name))
    local info = assert(image:info())
    assert.is_false(info.readable)
    assert.equal("", info.first_bytes)
    assert.equal("images", info.data_pool)
    ceph.fails("EPERM", image:read(0, 10))
  end)
end)
