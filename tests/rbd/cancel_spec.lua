local ceph = require "support.ceph"
local core = require "siphon.core"

local rbd, task = core.rbd, core.task
local MIB = 1 << 20

describe("a cancelled task", function()
  local scratch, pool, slowly

  setup(function()
    scratch = ceph.scratch()
    pool = scratch:pool "volumes"
    -- An object at a time: most are still to come when it learns that it is cancelled.
    slowly = assert(scratch:connect({ options = { rbd_concurrent_management_ops = "1" } }):pool "volumes")
  end)
  teardown(function() scratch:clean() end)
  after_each(function() scratch:clean_images() end)

  -- Runs fn(cancel) in a task, which has to end as cancelled; what comes to its end all the same does not. Returns the
  -- seconds that took.
  local function cancelled(fn)
    local t
    t = task.spawn(function() return fn(function() t:cancel() end) end)
    local seconds, ok, err = ceph.timed(pcall, t.join, t)
    assert.is_false(ok)
    assert.equal("cancelled", err.code)
    assert.equal("cancelled", t:status())
    return seconds
  end

  it("leaves no writable handle behind", function()
    local name = scratch:image(pool)
    local t = task.spawn(function()
      local image <close> = assert(rbd.open(pool, name, { read_only = false }))
      task.sleep(60)
      return image
    end)
    task.sleep(0) -- the opening has begun
    t:cancel()
    pcall(t.join, t)
    local image <close> = assert(rbd.open(pool, name))
    assert.same({}, image:watchers())
  end)

  it("stops a removal, which can be repeated", function()
    local name = scratch:image(pool, { size = 1 << 34 }) -- 4096 objects to look for
    cancelled(function(cancel) return rbd.remove(slowly, name, { progress = cancel }) end)
    -- librbd removes by way of the trash, and there it is now; librbd does not list what is being removed.
    ceph.fails("ENOENT", rbd.open(pool, name))
    assert.is_true(rbd.remove(pool, name))
    ceph.fails("ENOENT", rbd.remove(pool, name))
  end)

  it("stops the search for what exists, even where nothing does", function()
    local name = scratch:image(pool, { size = 1 << 42, features = { "layering", "exclusive-lock", "object-map",
      "fast-diff" } })
    local image <close> = assert(rbd.open(pool, name))
    local slow = function(cancel) return image:extents { whole_object = false, progress = cancel } end
    assert.is_true(cancelled(slow) < 60)
    local seconds, _, err = ceph.timed(task.timeout, 1, image.extents, image, { whole_object = false })
    assert.equal("timeout", err.code)
    assert.is_true(seconds < 60)
    assert.same({}, image:extents())
  end)

  it("stops what looks at every object", function()
    local function image_with(...)
      local name = scratch:image(pool, { size = 1 << 34, features = { "layering", ... } })
      return assert(rbd.open(slowly, name, { read_only = false })), name
    end
    local mapped <close> = image_with("exclusive-lock", "object-map")
    cancelled(function(cancel) return mapped:rebuild_object_map { progress = cancel } end)
    -- With a map librbd would know in no time that there is nothing to remove.
    local unmapped <close>, name = image_with()
    cancelled(function(cancel) return unmapped:resize(MIB, { allow_shrink = true, progress = cancel }) end)
    assert.equal(1 << 34, unmapped:size())
    unmapped:close()
    local image <close> = assert(rbd.open(pool, name, { read_only = false }))
    assert(image:resize(MIB, { allow_shrink = true }))
  end)

  it("waits for a copy that librbd does not stop", function()
    local source <close> = assert(rbd.open(pool, scratch:image(pool, { size = 64 * MIB,
      data = { [0] = ceph.noise(4 * MIB), [60 * MIB] = ceph.noise(4 * MIB) } })))
    for _, way in ipairs { "copy", "deep_copy" } do
      local name = scratch:expect(pool, ceph.name(way))
      cancelled(function(cancel)
        source[way](source, pool, name, { progress = cancel })
        task.checkpoint()
      end)
      assert.equal(ceph.md5("volumes/" .. source.name), ceph.md5("volumes/" .. name))
    end
  end)
end)
