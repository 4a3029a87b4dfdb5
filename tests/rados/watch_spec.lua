-- Watching an object, on the real bed: who is heard, what comes of an OSD that is away, and how it ends.

local core = require "siphon.core"

local ceph = require "support.ceph"

describe("a watch", function()
  local scratch, pool, other, name

  setup(function()
    scratch = ceph.scratch()
    pool = scratch:pool "volumes"
    local second = scratch:connect()
    other = assert(second:pool "volumes")
  end)
  teardown(function()
    other:close()
    scratch:clean()
  end)
  before_each(function()
    name = ceph.name "watched"
    assert(pool:write(name, ""))
  end)
  after_each(function() pool:remove(name) end)

  -- How many clients watch the object, as Ceph's own tool tells.
  local function watchers()
    return select(2, ceph.run(("rados -p volumes listwatchers %s"):format(name)):gsub("watcher=", ""))
  end

  it("hears a word, and whoever said it learns who did", function()
    local watch <close> = assert(pool:watch(name))
    assert.is_false(watch:wait(0.05))
    local answers = assert(other:notify(name, 5))
    assert.equal(1, #answers)
    assert.is_true(watch:wait(5))
    assert.is_false(watch:wait(0.05))
    assert.equal(1, watchers())
  end)

  it("wakes one who waits, and counts several words once", function()
    local watch <close> = assert(pool:watch(name))
    core.task.scope(function()
      local waiting = core.task.spawn(function() return watch:wait() end)
      core.task.sleep(0.1)
      assert(other:notify(name, 5))
      assert.is_true(waiting:join())
    end)
    for _ = 1, 3 do assert(other:notify(name, 5)) end
    assert.is_true(watch:wait(5))
    assert.is_false(watch:wait(0.1))
  end)

  it("can be given up while it waits, and a word of then is kept", function()
    local watch <close> = assert(pool:watch(name))
    core.task.scope(function()
      local waiting = core.task.spawn(function() return watch:wait() end)
      core.task.sleep(0.05)
      local ok, err = pcall(watch.wait, watch, 1)
      assert.is_false(ok)
      assert.equal("watch.busy", err.code)
      waiting:cancel()
      assert.is_false((pcall(waiting.join, waiting)))
    end)
    assert(other:notify(name, 5))
    assert.is_true(watch:wait(5))
  end)

  it("ends with close: nobody answers any more", function()
    local watch = assert(pool:watch(name))
    assert.equal(1, watchers())
    watch:close()
    assert.equal(0, watchers())
    assert.same({}, assert(other:notify(name, 5)))
    local ok, err = pcall(watch.wait, watch, 1)
    assert.is_false(ok)
    assert.equal("closed", err.code)
  end)

  it("of many, under a hail of words, loses none and leaves none", function()
    core.task.scope(function()
      for _ = 1, 8 do
        core.task.spawn(function()
          for _ = 1, 5 do
            local watch <close> = assert(pool:watch(name))
            assert(other:notify(name, 10))
            assert.is_true(watch:wait(10))
          end
        end)
      end
    end)
    assert.equal(0, watchers())
  end)

  it("of an object that is not there fails, and one whose object goes says so", function()
    ceph.fails("ENOENT", pool:watch(name .. "-gone"))
    local watch <close> = assert(pool:watch(name))
    assert(pool:remove(name))
    -- The OSD drops the watch with the object, and it cannot be made anew.
    ceph.fails("ENOENT", watch:wait(60))
  end)

  it("is made anew when its OSD was away", function()
    local watch <close> = assert(pool:watch(name))
    local testbed = ("tests/testbed/testbed %%s --dir %s %%s"):format(os.getenv "TESTBED_DIR")
    local id = ceph.admin(("osd map volumes %s -f json"):format(name)):match '"acting_primary":(%d+)'
    ceph.run(testbed:format("stop", "--kill osd." .. id))
    ceph.run(testbed:format("start", "osd." .. id))
    local answered = false
    for _ = 1, 30 do
      if #assert(other:notify(name, 5)) == 1 then
        answered = true
        break
      end
      core.task.sleep(0.5)
    end
    assert.is_true(answered)
    assert.is_true(watch:wait(5))
  end)
end)
