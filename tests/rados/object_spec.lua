local ceph = require "support.ceph"

describe("objects of a pool", function()
  local scratch, pool, name

  setup(function()
    scratch = ceph.scratch()
    pool = scratch:pool("volumes", "spec-objects")
  end)
  teardown(function() scratch:clean() end)
  before_each(function() name = ceph.name "object" end)
  after_each(function() pool:remove(name) end)

  it("are written, read and removed", function()
    assert.is_true(pool:write(name, "hello"))
    assert.equal("hello", pool:read(name))
    assert.is_true(pool:write(name, "bye"))
    assert.equal("bye", pool:read(name))
    assert.is_true(pool:remove(name))
    local err = ceph.fails("ENOENT", pool:read(name))
    assert.same({ cluster = scratch.cluster.fsid, pool = "volumes", namespace = "spec-objects", object = name },
      err.where)
    assert.equal("rados.read", err.op)
    ceph.fails("ENOENT", pool:remove(name))
    ceph.fails("ENOENT", pool:object_stat(name))
  end)

  it("hold any bytes", function()
    local bytes = "\0\1\255\n" .. ceph.noise(3 << 20)
    assert(pool:write(name, bytes))
    assert.is_true(bytes == pool:read(name))
    assert(pool:write(name, ""))
    assert.equal("", pool:read(name))
  end)

  it("are written and read in part", function()
    assert(pool:write(name, "0123456789"))
    assert(pool:write(name, "xy", { offset = 3 }))
    assert.equal("012xy56789", pool:read(name))
    assert.equal("xy5", pool:read(name, { offset = 3, length = 3 }))
    assert.equal("89", pool:read(name, { offset = 8, length = 100 }))
    assert.equal("", pool:read(name, { offset = 100 }))
    assert.equal("", pool:read(name, { length = 0 }))
    assert(pool:write(name, "z", { offset = 12 }))
    assert.equal("012xy56789\0\0z", pool:read(name))
  end)

  it("have a size and a time", function()
    assert(pool:write(name, ("x"):rep(1000)))
    local stat = assert(pool:object_stat(name))
    assert.equal(1000, stat.size)
    assert.is_true(math.abs(stat.mtime - os.time()) < 60)
  end)

  it("can have to be new", function()
    assert(pool:write(name, "first", { create = "exclusive" }))
    local err = ceph.fails("EEXIST", pool:write(name, "second", { create = "exclusive" }))
    assert.matches("exists already", err.message, 1, true)
    assert.equal("first", pool:read(name))
  end)

  it("are listed", function()
    local names = {}
    for i = 1, 5 do
      names[i] = ("%s.%d"):format(name, i)
      assert(pool:write(names[i], ""))
    end
    local found = assert(pool:objects { prefix = name .. "." })
    table.sort(found)
    assert.same(names, found)
    assert.equal(2, #assert(pool:objects { prefix = name .. ".", max = 2 }))
    assert.same({}, pool:objects { prefix = name .. ".", max = 0 })
    assert.same({}, assert(scratch:pool "volumes":objects { prefix = name }))
    for _, each in ipairs(names) do assert(pool:remove(each)) end
    assert.same({}, pool:objects { prefix = name })
  end)

  it("are summed up", function()
    local stat = assert(pool:stat())
    for _, key in ipairs { "bytes", "objects", "clones", "degraded" } do
      assert.equal("integer", math.type(stat[key]), key)
    end
    assert.same({ max_bytes = 0, max_objects = 0 }, pool:quota())
    assert.is_false(pool:erasure_coded())
  end)

  describe("have checksums that the OSD computes:", function()
    -- CRC-32C with the seed of ones and no final inversion, bit by bit.
    local function crc32c(bytes)
      local crc = 0xffffffff
      for i = 1, #bytes do
        crc = crc ~ bytes:byte(i)
        for _ = 1, 8 do crc = crc >> 1 ~ (crc & 1) * 0x82f63b78 end
      end
      return crc
    end

    it("one for all", function()
      assert(pool:write(name, "siphon"))
      assert.same({ crc32c "siphon" }, pool:checksum(name))
      assert.same({ crc32c "siphon" }, pool:checksum(name, { type = "crc32c" }))
      assert.same({ crc32c "pho" }, pool:checksum(name, { offset = 2, length = 3 }))
      assert.equal(1, #assert(pool:checksum(name, { type = "xxhash32" })))
      local wide = assert(pool:checksum(name, { type = "xxhash64" }))
      assert.equal("integer", math.type(wide[1]))
      assert.not_equal(wide[1], wide[1] & 0xffffffff)
    end)

    it("one for each chunk", function()
      local bytes = ceph.noise(4 * 4096)
      assert(pool:write(name, bytes))
      local sums = assert(pool:checksum(name, { chunk = 4096 }))
      assert.equal(4, #sums)
      for i = 1, 4 do assert.equal(crc32c(bytes:sub((i - 1) * 4096 + 1, i * 4096)), sums[i]) end
      assert.same({ sums[2], sums[3] }, pool:checksum(name, { offset = 4096, length = 8192, chunk = 4096 }))
      assert.equal(16384 // 16, #assert(pool:checksum(name, { chunk = 16, type = "xxhash64" })))
      assert.same({ crc32c(bytes:sub(101, 10100)), crc32c(bytes:sub(10101)) },
        pool:checksum(name, { offset = 100, chunk = 10000 }))
      assert.same({ crc32c(bytes) }, pool:checksum(name, { chunk = 1 << 20 }))
      assert.same({}, pool:checksum(name, { offset = 16384, chunk = 4096 }))
    end)

    it("none of what is not there", function()
      ceph.fails("ENOENT", pool:checksum(name))
      ceph.fails("ENOENT", pool:checksum(name, { chunk = 4096 }))
    end)
  end)

  it("are spared from misuse", function()
    assert.error_matches(function() pool:write(name) end, "string expected")
    assert.error_matches(function() pool:write(name, "x", { create = "perhaps" }) end, 'cannot be "perhaps"')
    assert.error_matches(function() pool:write(name, "x", { offset = -1 }) end, "must not be negative")
    assert.error_matches(function() pool:read "" end, "not empty")
    assert.error_matches(function() pool:read "a\0b" end, "zero byte")
    assert.error_matches(function() pool:read(name, { lenght = 1 }) end, "did you mean 'length'")
    assert.error_matches(function() pool:checksum(name, { type = "md5" }) end, 'cannot be "md5"')
    assert.error_matches(function() pool.read(scratch.cluster, name) end, "siphon.rados.Pool expected")
  end)
end)
