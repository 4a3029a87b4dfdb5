local ceph = require "support.ceph"
local core = require "siphon.core"

local rbd = core.rbd
local MIB = 1 << 20

describe("the images of a pool", function()
  local scratch, pool

  setup(function()
    scratch = ceph.scratch()
    pool = scratch:pool "volumes"
  end)
  teardown(function() scratch:clean() end)
  after_each(function() scratch:clean_images() end)

  -- A name for an image that the spec makes itself.
  local function expect() return scratch:expect(pool, ceph.name "image") end

  local function info_of(name)
    local image <close> = assert(rbd.open(pool, name))
    return assert(image:info())
  end

  local function find(list, name)
    for _, each in ipairs(list) do
      if each.name == name then return each end
    end
  end

  describe("are listed:", function()
    it("names and ids", function()
      local one, two = scratch:image(pool), scratch:image(pool)
      local list = assert(rbd.list(pool))
      assert.same({ name = one, id = info_of(one).id }, find(list, one))
      assert.same({ name = two, id = info_of(two).id }, find(list, two))
      assert.is_nil(find(assert(rbd.list(scratch:pool "images")), one))
    end)

    it("none where none was ever made", function()
      assert.same({}, rbd.list(scratch:pool("volumes", "spec-nobody-made-this")))
    end)

    it("each in its namespace", function()
      local space = ceph.name "space"
      ceph.run(("rbd namespace create volumes/%s"):format(space))
      local inside = scratch:pool("volumes", space)
      local name = scratch:image(inside)
      assert.equal(name, assert(rbd.list(inside))[1].name)
      assert.is_nil(find(assert(rbd.list(pool)), name))
      local known = {}
      for _, each in ipairs(assert(rbd.namespaces(inside))) do known[each] = true end
      assert.is_true(known[space])
      scratch:clean_images()
      ceph.run(("rbd namespace remove volumes/%s"):format(space))
      for _, each in ipairs(assert(rbd.namespaces(pool))) do assert.not_equal(space, each) end
    end)
  end)

  describe("are made", function()
    it("with the cluster's defaults", function()
      local name = expect()
      assert.is_true(rbd.create(pool, name, { size = 10 * MIB + 512 }))
      local info = info_of(name)
      assert.equal(10 * MIB + 512, info.size)
      assert.equal(22, info.order)
      assert.equal(3, info.objects)
      assert.is_true(math.abs(info.created - os.time()) < 60)
    end)

    it("with objects of any size", function()
      for _, order in ipairs { 12, 25 } do
        local name = expect()
        assert(rbd.create(pool, name, { size = 32 * MIB, order = order }))
        local info = info_of(name)
        assert.equal(order, info.order)
        assert.equal(1 << order, info.object_size)
        assert.equal(32 * MIB >> order, info.objects)
      end
    end)

    it("with the features asked for", function()
      local name = expect()
      assert(rbd.create(pool, name, { size = MIB, features = { "layering", "exclusive-lock", "object-map" } }))
      assert.same({ "layering", "exclusive-lock", "object-map", "fast-diff" }, info_of(name).features)
      name = expect()
      assert(rbd.create(pool, name, { size = MIB, features = { "layering" } }))
      assert.same({ "layering" }, info_of(name).features)
    end)

    it("with striping", function()
      local name = expect()
      assert(rbd.create(pool, name,
        { size = 8 * MIB, features = { "layering" }, order = 20, stripe_unit = 65536, stripe_count = 4 }))
      local info = info_of(name)
      assert.same({ 65536, 4 }, { info.stripe_unit, info.stripe_count })
      assert.same({ "layering", "striping" }, info.features)
    end)

    it("with their data in another pool", function()
      local name = expect()
      assert(rbd.create(pool, name, { size = MIB, features = { "layering" }, data_pool = "images" }))
      local info = info_of(name)
      assert.equal("images", info.data_pool)
      assert.same({ "layering", "data-pool" }, info.features)
    end)

    it("with no bytes at all", function()
      local name = expect()
      assert(rbd.create(pool, name, { size = 0 }))
      local info = info_of(name)
      assert.same({ 0, 0, "" }, { info.size, info.objects, info.first_bytes })
    end)

    it("with names of any kind", function()
      local name = scratch:expect(pool, ceph.name "image" .. " ü%&'?#")
      assert(rbd.create(pool, name, { size = MIB }))
      assert.equal(name, info_of(name).name)
      assert.truthy(find(rbd.list(pool), name))
    end)
  end)

  describe("are not made", function()
    it("twice", function()
      local name = scratch:image(pool)
      local err = ceph.fails("EEXIST", rbd.create(pool, name, { size = MIB }))
      assert.matches("exists already", err.message, 1, true)
      assert.same({ "volumes", name, "rbd.create" }, { err.where.pool, err.where.image, err.op })
      assert.equal(pool.cluster.fsid, err.where.cluster)
      assert.equal(16 * MIB, info_of(name).size)
    end)

    it("in a namespace that is not there", function()
      local err = ceph.fails("ENOENT",
        rbd.create(scratch:pool("volumes", "spec-nobody-made-this"), "image", { size = MIB }))
      assert.matches("rbd namespace create", err.message, 1, true)
      assert.equal("spec-nobody-made-this", err.where.namespace)
    end)

    it("with data in a pool that is not there", function()
      local name = expect()
      local err = ceph.fails("ENOENT", rbd.create(pool, name, { size = MIB, data_pool = "spec-no-such-pool" }))
      assert.matches("no such data pool", err.message, 1, true)
      assert.is_nil(find(rbd.list(pool), name))
    end)

    it("with what does not go together", function()
      local name = expect()
      local err = ceph.fails("EINVAL", rbd.create(pool, name, { size = MIB, features = { "object-map" } }))
      assert.matches("do not go together", err.message, 1, true)
      ceph.fails("EINVAL", rbd.create(pool, name, { size = MIB, stripe_unit = 3000, stripe_count = 2 }))
      assert.is_nil(find(rbd.list(pool), name))
    end)

    it("by mistake", function()
      local function misuse(pattern, ...)
        local arguments = table.pack(...)
        assert.error_matches(function() rbd.create(table.unpack(arguments, 1, arguments.n)) end, pattern)
      end
      misuse("option 'size' is missing", pool, "x", {})
      misuse("must not be negative", pool, "x", { size = -1 })
      misuse("must be an integer", pool, "x", { size = "1" })
      misuse("must be an integer", pool, "x", { size = 1.5 })
      misuse("did you mean 'features'", pool, "x", { size = 1, feature = {} })
      misuse("no option 'colour'", pool, "x", { size = 1, colour = "red" })
      misuse('no feature "speed"', pool, "x", { size = 1, features = { "speed" } })
      misuse("must be a list", pool, "x", { size = 1, features = "layering" })
      misuse("order must be from 12 to 25", pool, "x", { size = 1, order = 11 })
      misuse("order must be from 12 to 25", pool, "x", { size = 1, order = 26 })
      misuse("table expected", pool, "x")
      misuse("not empty", pool, "", { size = 1 })
      misuse("zero byte", pool, "a\0b", { size = 1 })
      misuse("siphon.rados.Pool expected", pool.cluster, "x", { size = 1 })
    end)
  end)

  describe("are renamed", function()
    it("and stay what they are", function()
      local old = scratch:image(pool, { data = { [0] = "kept" } })
      local id = info_of(old).id
      local new = expect()
      assert.is_true(rbd.rename(pool, old, new))
      ceph.fails("ENOENT", rbd.open(pool, old))
      local image <close> = assert(rbd.open(pool, new))
      assert.equal(id, image.id)
      assert.equal("kept", image:read(0, 4))
    end)

    it("but not to a name that is taken, nor when they are missing", function()
      local one, two = scratch:image(pool), scratch:image(pool)
      local err = ceph.fails("EEXIST", rbd.rename(pool, one, two))
      assert.matches(two, err.message, 1, true)
      assert.not_equal(info_of(one).id, info_of(two).id)
      ceph.fails("ENOENT", rbd.rename(pool, ceph.name "absent", expect()))
    end)
  end)

  describe("are removed", function()
    it("with progress", function()
      local name = scratch:image(pool, { order = 20, data = { [0] = ceph.noise(2 * MIB), [15 * MIB] = "x" } })
      local prefix = info_of(name).block_name_prefix
      assert.equal(3, #assert(pool:objects { prefix = prefix }))
      local done, total = 0, nil
      assert.is_true(rbd.remove(pool, name, { progress = function(d, t)
        assert.is_true(d >= done and d <= t)
        done, total = d, t
      end }))
      assert.equal(16, total)
      assert.is_nil(find(rbd.list(pool), name))
      assert.same({}, pool:objects { prefix = prefix })
    end)

    it("once", function()
      local name = scratch:image(pool)
      assert(rbd.remove(pool, name))
      local err = ceph.fails("ENOENT", rbd.remove(pool, name))
      assert.matches("no such image", err.message, 1, true)
      assert.equal(name, err.where.image)
    end)

    it("not while somebody has them open for writing, who is named", function()
      local name = scratch:image(pool)
      do
        local image <close> = assert(rbd.open(pool, name, { read_only = false }))
        assert(image:write(0, "x"))
        local err = ceph.fails("EBUSY", rbd.remove(pool, name))
        assert.matches(image:watchers()[1].address, err.message, 1, true)
        assert.is_true(err.retryable)
        assert.equal("x", image:read(0, 1))
      end
      assert.is_true(rbd.remove(pool, name))
    end)

    it("not while they have snapshots", function()
      local name = scratch:image(pool)
      do
        local image <close> = assert(rbd.open(pool, name, { read_only = false }))
        assert(image:snapshot_create "s")
      end
      local err = ceph.fails("ENOTEMPTY", rbd.remove(pool, name))
      assert.matches("remove its snapshots first", err.message, 1, true)
    end)

    it("with what else their name could mean left alone", function()
      assert.error_matches(function() rbd.remove(pool, "") end, "not empty")
      assert.error_matches(function() rbd.remove(pool, "x", { force = true }) end, "no option 'force'")
      assert.error_matches(function() rbd.rename(pool, "x") end, "string expected")
    end)
  end)
end)
