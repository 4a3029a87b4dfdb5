local ceph = require "support.ceph"
local core = require "siphon.core"
local eventually = require "support.eventually"

local rbd, task = core.rbd, core.task
local MIB = 1 << 20
local PLAIN = { "layering", "exclusive-lock" }

describe("a copy of an image", function()
  local scratch, pool, images

  setup(function()
    scratch = ceph.scratch()
    pool = scratch:pool "volumes"
    images = scratch:pool "images"
  end)
  teardown(function() scratch:clean() end)
  after_each(function() scratch:clean_images() end)

  local function open(name, options) return assert(rbd.open(pool, name, options)) end

  -- A new image in another pool, open for writing.
  local function target(options)
    return assert(rbd.open(images, scratch:image(images, options), { read_only = false }))
  end

  local function same_as(name, image)
    assert.equal(ceph.md5("volumes/" .. name), ceph.md5("images/" .. image.name))
  end

  describe("through copy_data", function()
    it("is identical when the source is sparse", function()
      local name = scratch:image(pool, { order = 20,
        data = { [0] = ceph.noise(MIB + 5), [6 * MIB - 3] = "across", [16 * MIB - 1] = "e" } })
      local source <close> = open(name)
      local into <close> = target()
      local last
      local counts = assert(source:copy_data(into, { progress = function(done, total) last = { done, total } end }))
      assert.equal(16 * MIB, counts.size)
      assert.equal(5 * MIB, counts.read)
      assert.equal(counts.read, counts.written + counts.zeroes_skipped)
      assert.is_true(counts.written < MIB + 6 * 4096)
      assert.equal(5 * MIB, last[2])
      same_as(name, into)
      local prefix = into:info().block_name_prefix
      assert.equal(3, #assert(images:objects { prefix = prefix }))
    end)

    it("is identical when sizes are odd and layouts differ", function()
      local size = 9 * MIB + 513
      local name = scratch:image(pool, { size = size, features = { "layering" }, order = 20, stripe_unit = 65536,
        stripe_count = 4, data = { [100] = ceph.noise(MIB), [size - 7] = "the end" } })
      local source <close> = open(name)
      local into <close> = target { size = size, order = 22 }
      local counts = assert(source:copy_data(into, { max_in_flight = 1 }))
      assert.equal(size, counts.size)
      same_as(name, into)
    end)

    it("is identical when the source is a clone", function()
      local name = scratch:image(pool, { order = 20, data = { [0] = ceph.noise(3 * MIB, 3), [8 * MIB] = "parent's" } })
      local clone = name .. "-clone"
      do
        local parent <close> = open(name, { read_only = false })
        assert(parent:snapshot_create "s")
        assert(parent:snapshot_protect "s")
        assert(parent:clone("s", pool, scratch:expect(pool, clone), { features = PLAIN }))
      end
      local source <close> = open(clone, { read_only = false })
      assert(source:write(MIB + 9, "its own"))
      assert(source:flush())
      local into <close> = target()
      assert(source:copy_data(into))
      same_as(clone, into)
      assert.is_nil(into:info().parent)
    end)

    it("is of the snapshot that the source is open at", function()
      local name = scratch:image(pool, { size = 8 * MIB, data = { [0] = "before" } })
      do
        local image <close> = open(name, { read_only = false })
        assert(image:snapshot_create "s")
        assert(image:write(0, "after!"))
      end
      local source <close> = open(name, { snapshot = "s" })
      local into <close> = target { size = 8 * MIB }
      assert(source:copy_data(into))
      assert.equal("before", into:read(0, 6))
    end)

    it("is nothing when there is nothing", function()
      for _, size in ipairs { 0, 8 * MIB } do
        local source <close> = open(scratch:image(pool, { size = size }))
        local into <close> = target { size = size }
        assert.same({ size = size, read = 0, written = 0, zeroes_skipped = 0 }, source:copy_data(into))
        assert.same({}, into:extents())
      end
    end)

    it("leaves out zeroes, in blocks as asked", function()
      local bytes = "x" .. ("\0"):rep(4 * MIB - 2) .. "y"
      local source <close> = open(scratch:image(pool, { size = 4 * MIB, data = { [0] = bytes } }))
      for sparse, written in pairs { [0] = 4 * MIB, [4096] = 8192, [MIB] = 2 * MIB } do
        local into <close> = target { size = 4 * MIB }
        local counts = assert(source:copy_data(into, { sparse_size = sparse }))
        assert.same({ written, 4 * MIB - written }, { counts.written, counts.zeroes_skipped })
        assert.is_true(bytes == into:read(0, 4 * MIB))
      end
    end)

    it("is cancelled in the middle", function()
      local source <close> = open(scratch:image(pool, { size = 8 * MIB, order = 20, data = { [0] = ceph.noise(8 * MIB) } }))
      local into <close> = target { size = 8 * MIB, order = 20 }
      local t = task.spawn(function() return source:copy_data(into, { max_rate = MIB // 16, max_in_flight = 2 }) end)
      eventually("the first piece", function() return into:allocated() > 0 end)
      t:cancel()
      local seconds, ok, err = ceph.timed(pcall, t.join, t)
      assert.is_false(ok)
      assert.equal("cancelled", err.code)
      assert.is_true(seconds < 60)
      assert.is_true(into:allocated() < 8 * MIB)
      -- Both are as usable as before.
      assert(source:copy_data(into))
      assert.is_true(source:read(0, 8 * MIB) == into:read(0, 8 * MIB))
    end)

    it("keeps to a rate, and ends at a timeout", function()
      local source <close> = open(scratch:image(pool, { data = { [0] = "a", [4 * MIB] = "b", [8 * MIB] = "c" } }))
      local into <close> = target()
      local seconds = ceph.timed(function() assert(source:copy_data(into, { max_rate = 8 * MIB })) end)
      assert.is_true(seconds > 0.9)
      local other <close> = target()
      ceph.fails("timeout", task.timeout(0.3, source.copy_data, source, other, { max_rate = MIB }))
    end)

    it("ends with the error of its progress function", function()
      local source <close> = open(scratch:image(pool, { data = { [0] = "x" } }))
      local into <close> = target()
      local result, err = source:copy_data(into, { progress = function() error("on purpose", 0) end })
      assert.is_nil(result)
      assert.equal("lua.error", err.code)
      assert.matches("on purpose", err.message, 1, true)
    end)

    it("needs a target that is large enough and writable", function()
      local source <close> = open(scratch:image(pool, { data = { [0] = "x" } }))
      local small <close> = target { size = 16 * MIB - 1 }
      local err = ceph.fails("EFBIG", source:copy_data(small))
      assert.matches("resize it first", err.message, 1, true)
      assert.equal(small.name, err.where.image)
      assert.same({}, small:extents())
      local reader <close> = assert(rbd.open(images, small.name))
      err = ceph.fails("EROFS", source:copy_data(reader))
      assert.equal(small.name, err.where.image)
      local large <close> = target { size = 20 * MIB }
      assert(source:copy_data(large))
      assert.equal("x\0", large:read(0, 2))
    end)

    it("is spared from misuse", function()
      local source <close> = open(scratch:image(pool))
      local into <close> = open(scratch:image(pool))
      assert.error_matches(function() source:copy_data(source) end, "the same")
      assert.error_matches(function() source:copy_data(pool) end, "siphon.rbd.Image expected")
      assert.error_matches(function() source:copy_data(into, { max_in_flight = 0 }) end, "from 1 to 256")
      assert.error_matches(function() source:copy_data(into, { max_in_flight = 257 }) end, "from 1 to 256")
      assert.error_matches(function() source:copy_data(into, { sparse_size = 5000 }) end, "power of two")
      assert.error_matches(function() source:copy_data(into, { sparse_size = 8 * MIB }) end, "power of two")
      assert.error_matches(function() source:copy_data(into, { rate = 1 }) end, "no option 'rate'")
    end)
  end)

  describe("through librbd", function()
    it("holds the data of what was open, without parent or snapshots", function()
      local name = scratch:image(pool, { size = 8 * MIB + 100, order = 20, data = { [0] = ceph.noise(MIB), [8 * MIB] = "e" } })
      local source <close> = open(name, { read_only = false })
      assert(source:snapshot_create "s")
      assert(source:metadata_set("key", "value"))
      local copy = scratch:expect(images, ceph.name "copy")
      local total
      assert.is_true(source:copy(images, copy, { order = 21, progress = function(_, all) total = all end }))
      assert.equal(8 * MIB + 100, total)
      local image <close> = assert(rbd.open(images, copy))
      assert.equal(21, image:info().order)
      assert.same({}, image:snapshots())
      assert.same({ key = "value" }, image:metadata())
      same_as(name, image)
      local err = ceph.fails("EEXIST", source:copy(images, copy))
      assert.equal(copy, err.where.image)
      ceph.fails("EEXIST", source:deep_copy(images, copy))
    end)

    it("is deep: with snapshots and parent, unless flattened", function()
      local name = scratch:image(pool, { size = 8 * MIB, data = { [0] = "parent's" } })
      local clone = name .. "-clone"
      do
        local parent <close> = open(name, { read_only = false })
        assert(parent:snapshot_create "s")
        assert(parent:snapshot_protect "s")
        assert(parent:clone("s", pool, scratch:expect(pool, clone), { features = PLAIN }))
      end
      local source <close> = open(clone, { read_only = false })
      assert(source:snapshot_create "kept")
      assert(source:write(4 * MIB, "own"))
      assert(source:flush())
      for _, flatten in ipairs { false, true } do
        local copy = scratch:expect(images, ceph.name "deep")
        assert.is_true(source:deep_copy(images, copy, { flatten = flatten }))
        local image <close> = assert(rbd.open(images, copy))
        assert.equal(not flatten, image:info().parent ~= nil)
        assert.equal("kept", image:snapshots()[1].name)
        assert.same({ "parent's", "own" }, { image:read(0, 8), image:read(4 * MIB, 3) })
      end
    end)

    it("is spared from misuse", function()
      local source <close> = open(scratch:image(pool))
      assert.error_matches(function() source:copy(images, "x", { flatten = true }) end, "no option 'flatten'")
      assert.error_matches(function() source:deep_copy(images, "x", { sparse_size = 1 }) end, "no option 'sparse_size'")
      assert.error_matches(function() source:copy(images, "") end, "not empty")
    end)
  end)
end)
