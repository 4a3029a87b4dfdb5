local ceph = require "support.ceph"
local core = require "siphon.core"

local rbd, task = core.rbd, core.task
local MIB = 1 << 20

describe("a clone", function()
  local scratch, pool, parent_name, parent

  setup(function()
    scratch = ceph.scratch()
    pool = scratch:pool "volumes"
    parent_name = scratch:image(pool, { size = 8 * MIB, order = 20, data = { [0] = ceph.noise(8 * MIB) } })
    parent = assert(rbd.open(pool, parent_name, { read_only = false }))
    assert(parent:snapshot_create "s")
    assert(parent:snapshot_protect "s")
    assert(parent:snapshot_create "loose")
  end)
  teardown(function()
    parent:close()
    scratch:clean()
  end)

  local function expect() return scratch:expect(pool, ceph.name "clone") end

  -- Makes a clone; returns a handle on it that can write.
  local function clone(options)
    local name = expect()
    assert.is_true(parent:clone("s", pool, name, options))
    return assert(rbd.open(pool, name, { read_only = false }))
  end

  it("shows its parent's data until it is written to", function()
    local image <close> = clone { features = { "layering", "exclusive-lock" } }
    local original = parent:read(MIB - 10, 20)
    assert.equal(original, image:read(MIB - 10, 20))
    assert(image:write(MIB, "changed"))
    assert.equal(original:sub(1, 10) .. "changed" .. original:sub(18), image:read(MIB - 10, 20))
    assert.equal(original, parent:read(MIB - 10, 20))
    local info = assert(image:info())
    assert.same({ "volumes", parent_name, parent.id, "s", 8 * MIB, "user" }, { info.parent.pool, info.parent.image,
      info.parent.image_id, info.parent.snapshot, info.parent.overlap, info.parent.snapshot_type })
    assert.same({ "layering", "exclusive-lock" }, info.features)
  end)

  it("has a layout of its own", function()
    local image <close> = clone { order = 22, features = { "layering" } }
    local info = assert(image:info())
    assert.same({ 22, 8 * MIB }, { info.order, info.size })
    assert.is_true(parent:read(5 * MIB, 1000) == image:read(5 * MIB, 1000))
  end)

  it("is found from its parent", function()
    local image <close> = clone()
    local function names(list)
      local found = {}
      for _, each in ipairs(assert(list)) do found[each.image] = each end
      return found
    end
    local at <close> = assert(rbd.open(pool, parent_name, { snapshot = "s" }))
    for _, list in ipairs { parent:children(), parent:children "s", at:children() } do
      local child = names(list)[image.name]
      assert.same({ pool = "volumes", pool_id = pool.id, image = image.name, image_id = image.id, trash = false },
        child)
    end
    assert.same({}, parent:children "loose")
    assert.same({}, image:children())
    local err = ceph.fails("ENOENT", parent:children "absent")
    assert.equal("absent", err.where.snapshot)
    assert.matches("clones", ceph.fails("EBUSY", parent:snapshot_unprotect "s").message, 1, true)
  end)

  it("needs a snapshot, protected for format 1", function()
    local name = expect()
    local err = ceph.fails("ENOENT", parent:clone("absent", pool, name))
    assert.same({ parent_name, "absent" }, { err.where.image, err.where.snapshot })
    ceph.fails("EINVAL", parent:clone("loose", pool, name, { format = 1 }))
    ceph.fails("EEXIST", parent:clone("s", pool, parent_name))
    ceph.fails("ENOENT", rbd.open(pool, name))
    assert.error_matches(function() parent:clone("s", pool, name, { format = 3 }) end, "1 or 2")
    assert.error_matches(function() parent:clone("s", pool, name, { size = 1 }) end, "no option 'size'")
    assert.error_matches(function() parent:clone("s", name) end, "siphon.rados.Pool expected")
  end)

  it("is parted from its parent by flattening, with progress", function()
    local image <close> = clone { features = { "layering", "exclusive-lock" } }
    assert(image:write(3 * MIB, "own"))
    local expected = ceph.md5("volumes/" .. image.name)
    local before, total = 0, nil
    assert.is_true(image:flatten { progress = function(done, all)
      assert.is_true(done >= before and done <= all)
      before, total = done, all
    end })
    assert.equal(8, total)
    assert.is_nil(image:info().parent)
    assert.equal(expected, ceph.md5("volumes/" .. image.name))
    local err = ceph.fails("EINVAL", image:flatten())
    assert.matches("no parent", err.message, 1, true)
  end)

  it("is whole when flattening is cancelled", function()
    local name, slow = expect(), scratch:connect { options = { rbd_concurrent_management_ops = "1" } }
    local slowly <close> = assert(slow:pool "volumes")
    -- Many objects, so that most are still to come when the flattening learns that it is cancelled.
    assert(parent:clone("s", pool, name, { features = { "layering", "exclusive-lock" }, order = 14 }))
    local image <close> = assert(rbd.open(slowly, name, { read_only = false }))
    local expected = image:read(0, 8 * MIB)
    local t
    t = task.spawn(function() return image:flatten { progress = function() t:cancel() end } end)
    local ok, err = pcall(t.join, t)
    assert.is_false(ok)
    assert.equal("cancelled", err.code)
    assert.equal(parent_name, image:info().parent.image)
    assert.is_true(expected == image:read(0, 8 * MIB))
    assert.is_true(image:flatten())
    assert.is_nil(image:info().parent)
    assert.is_true(expected == image:read(0, 8 * MIB))
  end)

  it("is not flattened through a read-only handle", function()
    local image <close> = clone()
    local reader <close> = assert(rbd.open(pool, image.name))
    ceph.fails("EROFS", reader:flatten())
    assert.equal(parent_name, reader:info().parent.image)
  end)
end)

describe("metadata of an image", function()
  local scratch, pool

  setup(function()
    scratch = ceph.scratch()
    pool = scratch:pool "volumes"
  end)
  teardown(function() scratch:clean() end)

  it("is set, replaced and removed", function()
    local name = scratch:image(pool)
    local image <close> = assert(rbd.open(pool, name, { read_only = false }))
    assert.same({}, image:metadata())
    assert.is_true(image:metadata_set("owner", "cinder"))
    assert.is_true(image:metadata_set("owner", "glance"))
    assert.is_true(image:metadata_set("ü", ("long "):rep(500)))
    assert.same({ owner = "glance", ["ü"] = ("long "):rep(500) }, image:metadata())
    assert.equal("glance", ceph.run(("rbd image-meta get volumes/%s owner"):format(name)))
    assert.is_true(image:metadata_remove "ü")
    ceph.fails("ENOENT", image:metadata_remove "ü")
    assert.same({ owner = "glance" }, image:metadata())
    for i = 1, 100 do assert(image:metadata_set(("key%d"):format(i), ("v"):rep(200))) end
    local count = 0
    for _ in pairs(assert(image:metadata())) do count = count + 1 end
    assert.equal(101, count)
    assert.error_matches(function() image:metadata_set("a", 1) end, "string expected")
    assert.error_matches(function() image:metadata_set("", "x") end, "not empty")
  end)
end)
