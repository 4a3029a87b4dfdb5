local ceph = require "support.ceph"
local core = require "siphon.core"

local rbd = core.rbd
local MIB = 1 << 20

describe("the trash", function()
  local scratch, pool

  setup(function()
    scratch = ceph.scratch()
    pool = scratch:pool "volumes"
  end)
  teardown(function() scratch:clean() end)
  after_each(function() scratch:clean_images() end)

  local function entry(id)
    for _, each in ipairs(assert(rbd.trash_list(pool))) do
      if each.id == id then return each end
    end
  end

  -- An image's name and id.
  local function make(options)
    local name = scratch:image(pool, options)
    local image <close> = assert(rbd.open(pool, name))
    return name, image.id
  end

  it("takes an image and gives it back", function()
    local name, id = make { data = { [0] = "kept" } }
    assert.is_nil(entry(id))
    assert.is_true(rbd.trash_move(pool, name))
    local found = assert(entry(id))
    assert.same({ name, "user" }, { found.name, found.source })
    assert.is_true(math.abs(found.deleted - os.time()) < 60)
    assert.is_true(math.abs(found.deferred_until - found.deleted) <= 1)
    ceph.fails("ENOENT", rbd.open(pool, name))
    do
      local image <close> = assert(rbd.open(pool, { id = id }))
      assert.equal("kept", image:read(0, 4))
    end
    assert.is_true(rbd.trash_restore(pool, id))
    assert.is_nil(entry(id))
    local image <close> = assert(rbd.open(pool, name))
    assert.same({ id, "kept" }, { image.id, image:read(0, 4) })
  end)

  it("gives back under another name, but not one that is taken", function()
    local name, id = make()
    local taken = make()
    assert(rbd.trash_move(pool, name))
    ceph.fails("EEXIST", rbd.trash_restore(pool, id, { name = taken }))
    assert.truthy(entry(id))
    local new = scratch:expect(pool, ceph.name "restored")
    assert.is_true(rbd.trash_restore(pool, id, { name = new }))
    local image <close> = assert(rbd.open(pool, new))
    assert.equal(id, image.id)
  end)

  it("is emptied, with progress", function()
    local name, id = make { order = 20, data = { [0] = ceph.noise(2 * MIB) } }
    assert(rbd.trash_move(pool, name))
    local total
    assert.is_true(rbd.trash_remove(pool, id, { progress = function(_, all) total = all end }))
    assert.equal(16, total)
    assert.is_nil(entry(id))
    assert.same({}, pool:objects { prefix = "rbd_data." .. id })
    ceph.fails("ENOENT", rbd.trash_remove(pool, id))
    ceph.fails("ENOENT", rbd.trash_restore(pool, id))
  end)

  it("keeps an image until its delay is over, unless forced", function()
    local name, id = make()
    assert(rbd.trash_move(pool, name, { delay = 3600 }))
    local found = assert(entry(id))
    assert.equal(3600, found.deferred_until - found.deleted)
    local err = ceph.fails("EPERM", rbd.trash_remove(pool, id))
    assert.matches("force = true", err.message, 1, true)
    assert.truthy(entry(id))
    assert.is_true(rbd.trash_remove(pool, id, { force = true }))
    assert.is_nil(entry(id))
  end)

  it("keeps an image that has snapshots", function()
    local name, id = make()
    do
      local image <close> = assert(rbd.open(pool, name, { read_only = false }))
      assert(image:snapshot_create "s")
    end
    assert(rbd.trash_move(pool, name))
    local err = ceph.fails("ENOTEMPTY", rbd.trash_remove(pool, id))
    assert.matches("it has snapshots", err.message, 1, true)
    assert.is_true(rbd.trash_restore(pool, id))
  end)

  it("does not know what is not there", function()
    local err = ceph.fails("ENOENT", rbd.trash_move(pool, ceph.name "absent"))
    assert.equal("rbd.trash_move", err.op)
    ceph.fails("ENOENT", rbd.trash_restore(pool, "0123456789ab"))
    ceph.fails("ENOENT", rbd.trash_remove(pool, "0123456789ab"))
  end)

  it("is spared from misuse", function()
    assert.error_matches(function() rbd.trash_move(pool, "") end, "not empty")
    assert.error_matches(function() rbd.trash_move(pool, "x", { delay = -1 }) end, "must not be negative")
    assert.error_matches(function() rbd.trash_restore(pool) end, "string expected")
    assert.error_matches(function() rbd.trash_remove(pool, "x", { froce = true }) end, "did you mean 'force'")
    assert.error_matches(function() rbd.trash_list(scratch.cluster) end, "siphon.rados.Pool expected")
  end)
end)
