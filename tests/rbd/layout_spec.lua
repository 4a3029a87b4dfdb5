local ceph = require "support.ceph"
local core = require "siphon.core"

local rbd = core.rbd
local MIB = 1 << 20

-- librbd lets clones and copies take over the stripe unit of their source. With objects of another size that would
-- be refused, or make a striped image of a plain one, which users of plain images do not expect.
describe("the layout of what is made from an image", function()
  local scratch, pool, source

  setup(function()
    scratch = ceph.scratch()
    pool = scratch:pool "volumes"
  end)
  teardown(function()
    if source then source:close() end
    scratch:clean()
  end)

  local function open(options)
    if source then source:close() end
    options.size = options.size or 3 * MIB
    local name = scratch:image(pool, options)
    do
      local image <close> = assert(rbd.open(pool, name, { read_only = false }))
      assert(image:write(0, ceph.noise(100000)))
      assert(image:snapshot_create "s")
      assert(image:snapshot_protect "s")
    end
    source = assert(rbd.open(pool, name, { snapshot = "s" }))
  end

  local ways = {
    clone = function(name, options) return source:clone("s", pool, name, options) end,
    copy = function(name, options) return source:copy(pool, name, options) end,
    deep_copy = function(name, options) return source:deep_copy(pool, name, options) end,
  }

  -- The layout of what each way makes with these options: order, stripe unit, stripe count.
  local function each(options, expected)
    for way, make in pairs(ways) do
      local name = scratch:expect(pool, ceph.name(way))
      assert(make(name, options))
      local image <close> = assert(rbd.open(pool, name))
      local info = assert(image:info())
      assert.same(expected, { info.order, info.stripe_unit, info.stripe_count }, way)
      local striped = table.concat(info.features, " "):find("striping", 1, true) ~= nil
      assert.equal(expected[2] ~= 1 << expected[1] or expected[3] ~= 1, striped, way)
    end
  end

  it("is plain when only the size of objects is asked for", function()
    open { order = 20 }
    each({ order = 12 }, { 12, 4096, 1 })
    each({ order = 23, features = { "layering" } }, { 23, 8 * MIB, 1 })
    each({}, { 20, MIB, 1 })
  end)

  it("is plain also when the source is striped", function()
    open { order = 20, stripe_unit = 65536, stripe_count = 3 }
    each({ order = 22 }, { 22, 4 * MIB, 1 })
  end)

  it("is striped when that is asked for, or the source's is kept", function()
    open { order = 20, stripe_unit = 65536, stripe_count = 3 }
    each({ order = 22, stripe_unit = 16384, stripe_count = 2 }, { 22, 16384, 2 })
    each({}, { 20, 65536, 3 })
  end)

  it("cannot cross namespaces in a clone of format 1", function()
    open {}
    local namespace = ceph.name "ns"
    ceph.run(("rbd namespace create volumes/%s"):format(namespace))
    scratch:at_end(function() ceph.run(("rbd namespace rm volumes/%s"):format(namespace)) end)
    local inner = scratch:pool("volumes", namespace)
    local name = ceph.name "clone"
    local err = ceph.fails("EXDEV", source:clone("s", inner, name, { format = 1 }))
    assert.matches("needs format 2", err.message, 1, true)
    assert.equal(namespace, err.where.namespace)
    assert(source:clone("s", inner, scratch:expect(inner, name), { format = 2 }))
  end)
end)
