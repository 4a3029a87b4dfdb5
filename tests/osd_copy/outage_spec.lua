-- An OSD that dies and comes back in mid-copy. Takes an OSD of the bed down: not on a bed that others use
-- (SIPHON_SHARED_BED says that it is one).

local core = require "siphon.core"

local ceph = require "tests.support.ceph"
local world = require "tests.osd_copy.world"

local rbd, task = core.rbd, core.task
local MIB = 1 << 20

local function testbed(verb)
  return ceph.run(("tests/testbed/testbed %s"):format(verb:gsub("DIR", os.getenv "TESTBED_DIR")))
end

describe("an OSD that dies in mid-copy", function()
  if os.getenv "SIPHON_SHARED_BED" then return end
  local here

  setup(function() here = world.new() end)
  teardown(function()
    testbed "start --dir DIR osd.1"
    here:clean()
  end)

  it("delays the copy, which then is identical", function()
    local pool, other = here:pool(here.main), here:pool(here.other)
    local name, copy = here:expect(pool, ceph.name "source"), here:expect(other, ceph.name "copy")
    assert(rbd.create(pool, name, { size = 192 * MIB, features = world.FEATURES }))
    do
      local image <close> = assert(rbd.open(pool, name, { read_only = false }))
      for i = 0, 35 do assert(image:write(i * 5 * MIB, ceph.noise(MIB, i):rep(4))) end
      assert(image:snapshot_create "it")
      assert(image:snapshot_protect "it")
    end
    local source <close> = assert(rbd.open(pool, name, { snapshot = "it" }))
    assert(source:osd_create(other, copy, { features = world.FEATURES }))
    local copying = task.spawn(function()
      return assert(source:osd_copy(other, copy, { max_rate = 24 * MIB, patience = 20 }))
    end)
    task.sleep(1.5)
    testbed "stop --kill --dir DIR osd.1"
    task.sleep(2)
    testbed "start --dir DIR osd.1"
    local result = copying:join()
    assert.equal(result.objects, result.verified)
    assert.is_nil(here:faults(world.spec(pool, name) .. "@it", world.spec(other, copy), result.objects * 4 * MIB))
  end)
end)
