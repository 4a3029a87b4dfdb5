local ceph = require "support.ceph"
local core = require "siphon.core"
local eventually = require "support.eventually"

local rbd = core.rbd
local MIB = 1 << 20

describe("a pool at its quota", function()
  local scratch, name, pool

  setup(function()
    scratch = ceph.scratch()
    name = scratch:make_pool()
    local id, keyring = scratch:make_user(("mon 'profile rbd' osd 'profile rbd pool=%s'"):format(name))
    pool = assert(scratch:connect({ id = id, keyring = keyring }):pool(name))
    assert(rbd.create(pool, "image", { size = 64 * MIB, features = { "layering", "exclusive-lock" } }))
    for i = 1, 12 do assert(pool:write("fill" .. i, "x")) end
    -- By number of objects, since that trips after a few tiny ones.
    ceph.admin(("osd pool set-quota %s max_objects 12"):format(name))
    -- Each lies on other OSDs, and they do not learn of it at the same time.
    eventually("the quota's effect", function()
      for i = 1, 12 do
        local probe = "probe" .. i
        local ok, err = pool:write(probe, "x")
        if ok then return not assert(pool:remove(probe)) end
        assert(err:is "EDQUOT", err)
      end
      return true
    end, 120)
  end)
  teardown(function()
    pool:close()
    scratch:clean()
  end)

  it("tells its quota", function()
    assert.same({ max_bytes = 0, max_objects = 12 }, pool:quota())
  end)

  -- What would otherwise hang until somebody makes room.
  local function refused(f, ...)
    local seconds, value, err = ceph.timed(f, ...)
    ceph.fails("EDQUOT", value, err)
    assert.is_true(seconds < 60)
    assert.matches("raise the quota of pool " .. name, err.message, 1, true)
    assert.equal(name, err.where.pool)
    assert.is_false(err.retryable)
  end

  it("takes no object", function()
    refused(pool.write, pool, "more", "x")
    refused(pool.omap_set, pool, "more", { a = "b" })
  end)

  it("takes no image and no data", function()
    refused(rbd.create, pool, "another", { size = MIB })
    local image <close> = assert(rbd.open(pool, "image", { read_only = false }))
    refused(image.write, image, 0, ceph.noise(MIB))
  end)

  it("ends a copy that was under way", function()
    local volumes = scratch:pool "volumes"
    local source <close> = assert(rbd.open(volumes, scratch:image(volumes, { data = { [0] = ceph.noise(MIB) } })))
    local target <close> = assert(rbd.open(pool, "image", { read_only = false }))
    refused(source.copy_data, source, target)
  end)

  it("gives things away still", function()
    assert(pool:remove "fill1")
    -- No image was removed here before, so there is no trash yet, which librbd wants to write to.
    assert.same({}, pool:objects { prefix = "rbd_trash" })
    assert(rbd.remove(pool, "image"))
    assert.same({}, rbd.list(pool))
    ceph.fails("ENOENT", rbd.remove(pool, "image"))
  end)
end)

describe("an erasure-coded pool", function()
  local scratch, name, pool

  setup(function()
    scratch = ceph.scratch()
    local profile = ceph.name "profile"
    ceph.admin(("osd erasure-code-profile set %s k=2 m=1 crush-failure-domain=osd"):format(profile))
    scratch:at_end(function() ceph.admin("osd erasure-code-profile rm " .. profile) end)
    name = scratch:make_pool("erasure " .. profile)
    ceph.admin(("osd pool set %s allow_ec_overwrites true"):format(name))
    local id, keyring = scratch:make_user(
      ("mon 'profile rbd' osd 'profile rbd pool=%s, profile rbd pool=volumes'"):format(name))
    pool = assert(scratch:connect({ id = id, keyring = keyring }):pool(name))
  end)
  teardown(function()
    pool:close()
    scratch:clean()
  end)

  it("is known as one", function()
    assert.is_true(pool:erasure_coded())
  end)

  it("has objects, but no omap", function()
    assert(pool:write("object", "x"))
    local err = ceph.fails("EOPNOTSUPP", pool:omap_set("object", { a = "b" }))
    assert.matches("erasure-coded pools have no omap", err.message, 1, true)
    assert(pool:remove "object")
  end)

  it("holds the data of images", function()
    local volumes <close> = assert(pool.cluster:pool "volumes")
    local image_name = ceph.name "image"
    assert(rbd.create(volumes, image_name, { size = 8 * MIB, data_pool = name }))
    do
      local image <close> = assert(rbd.open(volumes, image_name, { read_only = false }))
      assert(image:write(MIB, "data"))
      local info = assert(image:info())
      assert.equal(name, info.data_pool)
      assert.matches("^rbd_data%.%d+%.", info.block_name_prefix)
      assert.same({ info.block_name_prefix .. ".0000000000000000" },
        pool:objects { prefix = info.block_name_prefix })
    end
    assert(rbd.remove(volumes, image_name))
  end)
end)
