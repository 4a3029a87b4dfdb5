-- A cluster that is not well in mid-copy. Takes OSDs of the bed down, and for full: not on a bed that others use
-- (SIPHON_SHARED_BED says that it is one).

local core = require "siphon.core"

local ceph = require "support.ceph"
local eventually = require "support.eventually"
local world = require "osd_copy.world"

local rbd, task = core.rbd, core.task
local MIB = 1 << 20

local function testbed(verb)
  return ceph.run(("tests/testbed/testbed %s"):format(verb:gsub("DIR", os.getenv "TESTBED_DIR")))
end

describe("a copy by the OSDs, while", function()
  if os.getenv "SIPHON_SHARED_BED" then return end
  local here, pool, other

  setup(function()
    here = world.new()
    pool, other = here:pool(here.main), here:pool(here.other)
  end)
  teardown(function()
    testbed "start --dir DIR osd.1"
    here:clean()
  end)

  -- A source with so many objects, and the name of a target for it.
  local function volume(objects)
    local name, copy = here:expect(pool, ceph.name "source"), here:expect(other, ceph.name "copy")
    assert(rbd.create(pool, name, { size = objects * 5 * MIB, features = world.FEATURES }))
    do
      local image <close> = assert(rbd.open(pool, name, { read_only = false }))
      for i = 0, objects - 1 do assert(image:write(i * 5 * MIB, ceph.noise(MIB, i):rep(4))) end
      assert(image:snapshot_create "it")
      assert(image:snapshot_protect "it")
    end
    local source = assert(rbd.open(pool, name, { snapshot = "it" }))
    assert(source:osd_create(other, copy, { features = world.FEATURES }))
    return source, copy, name
  end

  local function assert_identical(name, copy, result)
    assert.equal(result.objects, result.verified)
    assert.is_nil(here:faults(world.spec(pool, name) .. "@it", world.spec(other, copy), result.objects * 4 * MIB))
  end

  it("an OSD dies and comes back, goes on, and ends identical", function()
    local source <close>, copy, name = volume(36)
    local begun
    local copying = task.spawn(function()
      return assert(source:osd_copy(other, copy, {
        max_rate = 16 * MIB, patience = 120, progress = function(done) begun = done > 0 end,
      }))
    end)
    eventually("the copy's first object", function() return begun end)
    testbed "stop --kill --dir DIR osd.1"
    task.sleep(2)
    testbed "start --dir DIR osd.1"
    assert_identical(name, copy, copying:join())
  end)

  it("an OSD hangs for longer than an operation may take, tries again what goes through this host", function()
    local name, copy = here:expect(pool, ceph.name "source"), here:expect(other, ceph.name "copy")
    assert(rbd.create(pool, name, { size = 256 * MIB, features = world.FEATURES }))
    do
      local image <close> = assert(rbd.open(pool, name, { read_only = false }))
      for i = 0, 63 do
        for k = 0, 3 do assert(image:write(i * 4 * MIB + k * MIB, ceph.noise(4096, 4 * i + k))) end
      end
      assert(image:snapshot_create "it")
      assert(image:snapshot_protect "it")
    end
    local cluster <close> = assert(core.rados.connect { id = here.id, keyring = here.keyring, op_timeout = 4 })
    local from <close> = assert(cluster:pool(here.main))
    local to <close> = assert(cluster:pool(here.other))
    local source <close> = assert(rbd.open(from, name, { snapshot = "it" }))
    assert(source:osd_create(to, copy, { features = world.FEATURES }))
    local pid = ceph.run("cat " .. os.getenv "TESTBED_DIR" .. "/run/osd.1.pid")
    local hung
    local result = assert(source:osd_copy(to, copy, { max_rate = 256 << 10, verify = "none", max_in_flight = 8,
      progress = function(done)
        if hung or done == 0 then return end
        hung = task.spawn(function()
          ceph.run("kill -STOP " .. pid)
          task.sleep(6)
          ceph.run("kill -CONT " .. pid)
        end)
      end }))
    hung:join()
    assert.equal(64, result.thin)
    assert.is_true(result.retries > 0)
    assert.is_nil(here:faults(world.spec(pool, name) .. "@it", world.spec(other, copy), nil))
  end)

  describe("an OSD is nearly full,", function()
    local function wait_for_health(wanted)
      for _ = 1, 120 do
        if (ceph.admin "health detail":find "NEARFULL" ~= nil) == wanted then return end
        task.sleep(0.5)
      end
      error "the cluster's health did not change"
    end

    local function fill()
      ceph.admin "osd set-nearfull-ratio 0.0001"
      wait_for_health(true)
    end
    local function empty()
      ceph.admin "osd set-nearfull-ratio 0.85"
      wait_for_health(false)
    end

    before_each(fill)
    after_each(empty)

    it("gives up when its patience is over, and can be done later", function()
      local source <close>, copy, name = volume(12)
      local err = ceph.fails("ENOSPC", source:osd_copy(other, copy, { max_rate = 4 * MIB, patience = 0.5 }))
      assert.matches("nearly full for 0.5 seconds: see `ceph health detail`", err.message, 1, true)
      empty()
      assert_identical(name, copy, assert(source:osd_copy(other, copy)))
    end)

    it("waits, and goes on when there is room again", function()
      local source <close>, copy, name = volume(12)
      local last
      local copying = task.spawn(function()
        return assert(source:osd_copy(other, copy, {
          max_rate = 4 * MIB, max_in_flight = 4, progress = function(done) last = done end,
        }))
      end)
      -- What had begun ends; then nothing moves.
      local before
      repeat
        before = last
        task.sleep(3)
      until last == before
      assert.is_true((last or 0) < 48 * MIB)
      empty()
      local result = copying:join()
      assert.is_true(result.paused > 0)
      assert_identical(name, copy, result)
    end)
  end)
end)
