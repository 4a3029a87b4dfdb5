-- The hashes of an image, on the way of a copy and alone; coreutils are the oracle.

local ceph = require "support.ceph"
local core = require "siphon.core"

local rbd, task = core.rbd, core.task
local MIB = 1 << 20

describe("the digest of an image", function()
  local scratch, pool, images

  setup(function()
    scratch = ceph.scratch()
    pool, images = scratch:pool "volumes", scratch:pool "images"
  end)
  teardown(function() scratch:clean() end)
  after_each(function() scratch:clean_images() end)

  local function sum(name, tool)
    return ceph.run(("rbd export --no-progress volumes/%s - | %s"):format(name, tool)):match "^%x+"
  end

  local function expected(name, algorithm)
    return { algorithm = algorithm, value = sum(name, algorithm .. "sum"), checksum = sum(name, "md5sum") }
  end

  local SPARSE = { size = 23 * MIB + 77, order = 20, data = { [0] = ceph.noise(MIB + 5), [9 * MIB - 3] = "across",
    [23 * MIB + 70] = "the end" } }
  local STRIPED = { size = 9 * MIB + 513, features = { "layering" }, order = 20, stripe_unit = 65536, stripe_count = 4,
    data = { [100] = ceph.noise(MIB) } }

  local CASES = { ["with holes"] = { "sha512", SPARSE }, striped = { "sha256", STRIPED }, empty = { "sha512", { size = 0 } },
    ["a single hole"] = { "sha256", { size = 9 * MIB } } }
  for title, case in pairs(CASES) do
    it("is the same alone and on the way: " .. title, function()
      local algorithm, options = table.unpack(case)
      local name = scratch:image(pool, options)
      local source <close> = assert(rbd.open(pool, name))
      local alone = assert(source:digest(algorithm, { max_in_flight = 3 }))
      assert.is_true(alone.read <= options.size)
      alone.read = nil
      assert.same(expected(name, algorithm), alone)
      local into <close> = assert(rbd.open(images, scratch:image(images, { size = options.size }), { read_only = false }))
      local counts = assert(source:copy_data(into, { digest = algorithm, max_in_flight = 2 }))
      assert.same(alone, counts.digest)
      assert.equal(counts.read, counts.written + counts.zeroes_skipped)
      assert.equal(alone.checksum, ceph.md5("images/" .. into.name))
    end)
  end

  it("is of the snapshot that the image is open at, parents included", function()
    local name = scratch:image(pool, { data = { [MIB] = ceph.noise(2 * MIB) } })
    local clone = name .. "-clone"
    do
      local parent <close> = assert(rbd.open(pool, name, { read_only = false }))
      assert(parent:snapshot_create "s")
      assert(parent:snapshot_protect "s")
      assert(parent:clone("s", pool, scratch:expect(pool, clone), { features = { "layering" } }))
      local own <close> = assert(rbd.open(pool, clone, { read_only = false }))
      assert(own:write(2 * MIB, "its own"))
      assert(own:snapshot_create "then")
      assert(own:write(0, "later"))
    end
    local at <close> = assert(rbd.open(pool, clone, { snapshot = "then" }))
    local found = assert(at:digest "sha256")
    assert.equal(sum(clone .. "@then", "sha256sum"), found.value)
  end)

  it("tells its progress in bytes of the whole", function()
    local source <close> = assert(rbd.open(pool, scratch:image(pool, { size = 64 * MIB, data = { [8 * MIB] = "x" } })))
    local done, total
    assert(source:digest("sha256", { progress = function(...) done, total = ... end }))
    assert.same({ 64 * MIB, 64 * MIB }, { done, total })
  end)

  it("is cancelled in the middle of a hole", function()
    local source <close> = assert(rbd.open(pool, scratch:image(pool, { size = 1 << 42, features = { "layering",
      "exclusive-lock", "object-map", "fast-diff" }, order = 25 })))
    local hashing = task.spawn(function() return source:digest "sha512" end)
    task.sleep(0.3)
    hashing:cancel()
    local ok, err = pcall(hashing.join, hashing)
    assert.is_false(ok)
    assert.equal("cancelled", err.code)
  end)

  it("is spared from misuse", function()
    local source <close> = assert(rbd.open(pool, scratch:image(pool)))
    assert.error_matches(function() source:digest "sha3" end, '"sha256" or "sha512" expected, got "sha3"')
    assert.error_matches(function() source:digest() end, "string expected")
    assert.error_matches(function() source:digest("sha256", { sparse_size = 1 }) end, "no option 'sparse_size'")
  end)
end)
