local ceph = require "support.ceph"
local core = require "siphon.core"

local rbd, task = core.rbd, core.task
local MIB = 1 << 20
local PLAIN = { "layering", "exclusive-lock" }
local MAPPED = { "layering", "exclusive-lock", "object-map", "fast-diff", "deep-flatten" }

describe("what exists of an image", function()
  local scratch, pool

  setup(function()
    scratch = ceph.scratch()
    pool = scratch:pool "volumes"
  end)
  teardown(function() scratch:clean() end)
  after_each(function() scratch:clean_images() end)

  local function has(from, length) return { offset = from, length = length, exists = true } end

  for kind, features in pairs { ["without an object map"] = PLAIN, ["with an object map"] = MAPPED } do
    it("is listed and added up " .. kind, function()
      local name = scratch:image(pool, { order = 20, features = features,
        data = { [0] = "a", [MIB] = "b", [5 * MIB + 4096] = "c", [15 * MIB] = ceph.noise(MIB) } })
      local image <close> = assert(rbd.open(pool, name))
      assert.equal(features == MAPPED, image:info().fast_diff)
      assert.same({ has(0, 2 * MIB), has(5 * MIB, MIB), has(15 * MIB, MIB) }, image:extents())
      assert.equal(4 * MIB, image:allocated())
      assert.same({ has(5 * MIB, MIB) }, image:extents { offset = 3 * MIB, length = 4 * MIB })
      assert.same({}, image:extents { offset = 2 * MIB, length = 3 * MIB })
      assert.same({}, image:extents { offset = 100 * MIB })
      assert.same({}, image:extents { length = 0 })
    end)
  end

  it("is nothing in a new image and in one of no size", function()
    for _, size in ipairs { 0, 8 * MIB } do
      local image <close> = assert(rbd.open(pool, scratch:image(pool, { size = size })))
      assert.same({}, image:extents())
      assert.equal(0, image:allocated())
    end
  end)

  it("ends where an odd image ends", function()
    local image <close> = assert(rbd.open(pool, scratch:image(pool,
      { size = 4 * MIB + 512, data = { [4 * MIB] = "end" } })))
    assert.same({ has(4 * MIB, 512) }, image:extents())
    assert.equal(512, image:allocated())
  end)

  it("is finer where parts are asked for", function()
    local image <close> = assert(rbd.open(pool, scratch:image(pool, { order = 20, data = { [MIB] = ("x"):rep(4096) } })))
    assert.same({ has(MIB, 4096) }, image:extents { whole_object = false })
  end)

  it("is what changed since a snapshot", function()
    local name = scratch:image(pool, { order = 20, data = { [0] = ceph.noise(2 * MIB) } })
    local image <close> = assert(rbd.open(pool, name, { read_only = false }))
    assert(image:snapshot_create "s")
    assert(image:write(7 * MIB, "new"))
    assert(image:discard(0, MIB))
    assert.same({ { offset = 0, length = MIB, exists = false }, has(7 * MIB, MIB) },
      image:extents { from_snapshot = "s" })
    local err = ceph.fails("ENOENT", image:extents { from_snapshot = "absent" })
    assert.equal("absent", err.where.snapshot)
    assert(image:snapshot_create "later")
    local at <close> = assert(rbd.open(pool, name, { snapshot = "s" }))
    assert.same({ has(0, 2 * MIB) }, at:extents())
    assert.same({}, at:extents { from_snapshot = "s" })
    err = ceph.fails("EINVAL", at:extents { from_snapshot = "later" })
    assert.matches("must be older", err.message, 1, true)
  end)

  it("includes what a parent holds, unless asked not to", function()
    local name = scratch:image(pool, { order = 20, data = { [0] = ceph.noise(2 * MIB) } })
    do
      local parent <close> = assert(rbd.open(pool, name, { read_only = false }))
      assert(parent:snapshot_create "s")
      assert(parent:snapshot_protect "s")
      assert(parent:clone("s", pool, scratch:expect(pool, name .. "-clone"), { features = PLAIN }))
    end
    local clone <close> = assert(rbd.open(pool, name .. "-clone", { read_only = false }))
    assert(clone:write(9 * MIB, "own"))
    assert.same({ has(0, 2 * MIB), has(9 * MIB, MIB) }, clone:extents())
    assert.same({ has(9 * MIB, MIB) }, clone:extents { include_parent = false })
    assert.equal(3 * MIB, clone:allocated())
    assert.equal(MIB, clone:allocated { include_parent = false })
  end)

  it("is told with progress, and no more once cancelled", function()
    local image <close> = assert(rbd.open(pool, scratch:image(pool, { order = 20, data = { [0] = "a", [15 * MIB] = "b" } })))
    local total
    assert(image:extents { progress = function(_, all) total = all end })
    assert.equal(16 * MIB, total)
    local t = task.spawn(function()
      task.current():cancel()
      return image:extents()
    end)
    local ok, err = pcall(t.join, t)
    assert.is_false(ok)
    assert.equal("cancelled", err.code)
  end)

  it("is spared from misuse", function()
    local image <close> = assert(rbd.open(pool, scratch:image(pool)))
    assert.error_matches(function() image:extents { offset = -1 } end, "must not be negative")
    assert.error_matches(function() image:extents { whole_objects = true } end, "did you mean 'whole_object'")
    assert.error_matches(function() image:allocated { exact = true } end, "no option 'exact'")
  end)
end)
