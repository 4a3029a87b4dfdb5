local ceph = require "support.ceph"
local core = require "siphon.core"

local rbd, task = core.rbd, core.task
local MIB = 1 << 20

describe("a snapshot", function()
  local scratch, pool

  setup(function()
    scratch = ceph.scratch()
    pool = scratch:pool "volumes"
  end)
  teardown(function() scratch:clean() end)
  after_each(function() scratch:clean_images() end)

  local function writable(name) return assert(rbd.open(pool, name, { read_only = false })) end

  it("is made, listed, renamed and removed", function()
    local name = scratch:image(pool, { size = 8 * MIB })
    local image <close> = writable(name)
    local early <close> = assert(rbd.open(pool, name))
    assert.same({}, image:snapshots())
    local id = assert(image:snapshot_create("one", { skip_quiesce = true }))
    assert(image:resize(12 * MIB))
    local id_two = assert(image:snapshot_create("two", { ignore_quiesce_error = true }))
    assert.equal("integer", math.type(id))
    assert.is_true(id_two > id)
    local list = assert(early:snapshots()) -- as of now, though opened before
    for _, each in ipairs(list) do
      assert.is_true(math.abs(each.created - os.time()) < 60)
      each.created = nil
    end
    assert.same({
      { id = id, name = "one", size = 8 * MIB, protected = false, namespace = "user" },
      { id = id_two, name = "two", size = 12 * MIB, protected = false, namespace = "user" },
    }, list)

    local err = ceph.fails("EEXIST", image:snapshot_create "one")
    assert.same({ name, "one", "rbd.snap_create" }, { err.where.image, err.where.snapshot, err.op })
    ceph.fails("EEXIST", image:snapshot_rename("one", "two"))
    assert.is_true(image:snapshot_rename("one", "first"))
    assert.equal(id, image:snapshots()[1].id)

    assert.is_true(image:snapshot_remove "two")
    err = ceph.fails("ENOENT", image:snapshot_remove "two")
    assert.matches("no such snapshot", err.message, 1, true)
    ceph.fails("ENOENT", image:snapshot_rename("two", "three"))
    assert.equal(1, #image:snapshots())
  end)

  it("is what the image can be rolled back to, in size, data and object map", function()
    local name = scratch:image(pool, { size = 16 * MIB, data = { [0] = "then" },
      features = { "layering", "exclusive-lock", "object-map", "fast-diff" } })
    local image <close> = writable(name)
    assert(image:snapshot_create "s")
    assert(image:write(0, "now!"))
    assert(image:write(8 * MIB, "more"))
    assert(image:resize(20 * MIB))
    local last
    assert(image:snapshot_rollback("s", { progress = function(done, total) last = done / total end }))
    assert.is_true(last > 0 and last <= 1)
    assert.equal("then", image:read(0, 4))
    assert.same({ 16 * MIB, 4 * MIB }, { image:info().size, image:allocated() })
    ceph.fails("ENOENT", image:snapshot_rollback "t")
    local reader <close> = assert(core.rbd.open(pool, name))
    ceph.fails("EROFS", reader:snapshot_rollback "s")
  end)

  it("stays while it is protected", function()
    local image <close> = writable(scratch:image(pool))
    assert(image:snapshot_create "s")
    assert.is_false(image:snapshot_is_protected "s")
    assert.is_true(image:snapshot_unprotect "s")
    assert.is_true(image:snapshot_protect "s")
    assert.is_true(image:snapshot_protect "s")
    assert.is_true(image:snapshot_is_protected "s")
    assert.is_true(image:snapshots()[1].protected)
    local err = ceph.fails("EBUSY", image:snapshot_remove "s")
    assert.matches("protected", err.message, 1, true)
    assert.equal("s", err.where.snapshot)
    assert.is_true(image:snapshot_unprotect "s")
    assert.is_true(image:snapshot_remove "s")
    ceph.fails("ENOENT", image:snapshot_is_protected "s")
    ceph.fails("ENOENT", image:snapshot_protect "s")
    ceph.fails("ENOENT", image:snapshot_unprotect "s")
  end)

  it("is refused to a read-only handle and at the image's limit", function()
    local name = scratch:image(pool)
    local reader <close> = assert(rbd.open(pool, name))
    local err = ceph.fails("EROFS", reader:snapshot_create "s")
    assert.matches("read_only = false", err.message, 1, true)
    ceph.run(("rbd snap limit set volumes/%s --limit 1"):format(name))
    local image <close> = writable(name)
    assert(image:snapshot_create "only")
    err = ceph.fails("EDQUOT", image:snapshot_create "s")
    assert.matches("rbd snap limit", err.message, 1, true)
    assert.equal(1, #image:snapshots())
  end)

  it("is spared from misuse", function()
    local image <close> = assert(rbd.open(pool, scratch:image(pool)))
    assert.error_matches(function() image:snapshot_create "" end, "not empty")
    assert.error_matches(function() image:snapshot_create("s", { quiesce = true }) end, "no option 'quiesce'")
    assert.error_matches(function() image:snapshot_remove() end, "string expected")
    assert.error_matches(function() image:snapshot_rename "s" end, "string expected")
    assert.error_matches(function() image:temporary_snapshot { protect = 1 } end, "true or false")
    assert.error_matches(function() image:temporary_snapshot { nmae = "x" } end, "did you mean 'name'")
  end)

  describe("that is temporary", function()
    -- Closing may go on after a cancelled task has ended.
    local function wait_until_gone(image)
      for _ = 1, 50 do
        if #assert(image:snapshots()) == 0 then return true end
        task.sleep(0.2)
      end
    end

    it("goes at the end of its scope", function()
      local name = scratch:image(pool, { data = { [0] = "before" } })
      local image <close> = assert(rbd.open(pool, name))
      do
        local snapshot <close> = assert(image:temporary_snapshot())
        assert.matches("^siphon%-%x%x%x%x%x%x%x%x%x%x%x%x$", snapshot.name)
        assert.same({ name, image.id, pool }, { snapshot.image, snapshot.image_id, snapshot.pool })
        local listed = assert(image:snapshots())
        assert.same({ 1, snapshot.id, snapshot.name, true },
          { #listed, listed[1].id, listed[1].name, listed[1].protected })
        assert.same({}, image:watchers())
        do
          local writer <close> = writable(name)
          assert(writer:write(0, "after!"))
        end
        local at <close> = assert(snapshot:open())
        assert.same({ true, snapshot.name, snapshot.id }, { at.read_only, at.snapshot, at.snapshot_id })
        assert.equal("before", at:read(0, 6))
      end
      assert.same({}, image:snapshots())
    end)

    it("goes when asked, once, whatever its name is by then", function()
      local name = scratch:image(pool)
      local image <close> = writable(name)
      local snapshot <close> = assert(image:temporary_snapshot { name = "mine", protect = false })
      assert.equal("mine", snapshot.name)
      assert.is_false(image:snapshot_is_protected "mine")
      ceph.fails("EEXIST", image:temporary_snapshot { name = "mine" })
      assert(image:snapshot_rename("mine", "renamed"))
      local other = assert(image:snapshot_create "mine")
      assert.is_true(snapshot:remove())
      assert.is_true(snapshot:remove())
      assert.same({ 1, other }, { #image:snapshots(), image:snapshots()[1].id })
    end)

    it("goes when its task fails or is cancelled", function()
      local image <close> = assert(rbd.open(pool, scratch:image(pool)))
      local made
      local ok = pcall(task.scope, function()
        local snapshot <close> = assert(image:temporary_snapshot())
        made = snapshot.name
        error "on purpose"
      end)
      assert.is_false(ok)
      assert.is_string(made)
      assert.is_true(wait_until_gone(image))

      local held
      local t = task.spawn(function()
        local snapshot <close> = assert(image:temporary_snapshot())
        held = snapshot.name
        task.sleep(60)
      end)
      while not held and t:status() == "running" do task.sleep(0.05) end
      assert.equal(held, image:snapshots()[1].name)
      t:cancel()
      local joined, err = pcall(t.join, t)
      assert.is_false(joined)
      assert.equal("cancelled", err.code)
      assert.is_true(wait_until_gone(image))
    end)

    it("goes when its task is cancelled while it is being made", function()
      local image <close> = assert(rbd.open(pool, scratch:image(pool)))
      local t = task.spawn(function()
        local snapshot <close> = assert(image:temporary_snapshot())
        task.sleep(60)
        return snapshot
      end)
      task.sleep(0.1)
      t:cancel()
      assert.is_false((pcall(t.join, t)))
      assert.is_true(wait_until_gone(image))
    end)

    it("stays while it has clones, and says so", function()
      local name = scratch:image(pool)
      local image <close> = assert(rbd.open(pool, name))
      local snapshot <close> = assert(image:temporary_snapshot())
      local clone = scratch:expect(pool, ceph.name "clone")
      assert(image:clone(snapshot.name, pool, clone, { format = 1 }))
      local err = ceph.fails("EBUSY", snapshot:remove())
      assert.matches("flatten or remove them first", err.message, 1, true)
      assert(rbd.remove(pool, clone))
      assert.is_true(snapshot:remove())
    end)
  end)
end)
