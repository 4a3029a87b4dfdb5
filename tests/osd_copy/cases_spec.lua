-- Copies by the OSDs, case by case: what takes which way, what is refused, and that a copy ends well or not at
-- all.

local core = require "siphon.core"

local ceph = require "support.ceph"
local eventually = require "support.eventually"
local world = require "osd_copy.world"

local rbd, task = core.rbd, core.task
local MIB = 1 << 20

-- Making noise takes longer than copying it.
local function mebibytes(count, seed) return ceph.noise(MIB, seed):rep(count) end

describe("a copy by the OSDs", function()
  local here, main, other

  setup(function()
    here = world.new()
    main, other = here:pool(here.main), here:pool(here.other)
  end)
  after_each(function() here:clean_images() end)
  teardown(function() here:clean() end)

  -- An image with `data` = { [offset] = bytes } and a protected snapshot "it"; returns its name.
  local function image(options)
    local name = here:expect(options.pool or main, ceph.name "source")
    assert(rbd.create(options.pool or main, name, {
      size = options.size or 32 * MIB, order = options.order, features = options.features or world.FEATURES,
      data_pool = options.data_pool,
    }))
    local handle <close> = assert(rbd.open(options.pool or main, name, { read_only = false }))
    for offset, bytes in pairs(options.data or {}) do assert(handle:write(offset, bytes)) end
    assert(handle:snapshot_create "it")
    if options.protected ~= false then assert(handle:snapshot_protect "it") end
    return name
  end

  local function at_snapshot(name, pool)
    return assert(rbd.open(pool or main, name, { snapshot = "it" }))
  end

  local function target_of(source, pool, options)
    local name = here:expect(pool or other, ceph.name "copy")
    local id, err = source:osd_create(pool or other, name, options or { features = world.FEATURES })
    return id and name, err
  end

  -- Copies to `other` in a task, and returns that when `bytes` of the copy are done.
  local function begun(source, target, options, bytes)
    local reached
    options.progress = function(done) reached = done >= bytes end
    local copying = task.spawn(function() return table.pack(source:osd_copy(other, target, options)) end)
    eventually("the first part of the copy", function() return reached end)
    return copying
  end

  local function cancel(copying)
    copying:cancel()
    local ok, err = pcall(copying.join, copying)
    assert.is_false(ok)
    assert.equal("cancelled", err.code)
  end

  -- Copies `name` and compares; returns the result.
  local function copy(name, options, target_options, pool)
    local source <close> = at_snapshot(name)
    local target = assert(target_of(source, pool, target_options))
    local result = assert(source:osd_copy(pool or other, target, options))
    assert.is_nil(here:faults(world.spec(main, name) .. "@it", world.spec(pool or other, target)))
    return result, target
  end

  local function pick(result, ...)
    local picked = {}
    for _, key in ipairs { ... } do picked[key] = result[key] end
    return picked
  end

  it("moves dense objects without a byte through this host", function()
    local result = copy(image { data = { [0] = mebibytes(12) } })
    assert.same({ objects = 3, whole = 3, thin = 0, squeezed = 0, librbd = 0, copied = 12 * MIB, through_host = 0,
      verified = 3, verify_through_host = 0 }, pick(result, "objects", "whole", "thin", "squeezed", "librbd", "copied",
      "through_host", "verified", "verify_through_host"))
  end)

  it("reads and writes the few bytes of a nearly empty object, and leaves its holes", function()
    local data = {}
    for i = 0, 7 do data[i * 4 * MIB + 2 * MIB] = ceph.noise(4096, i) end
    local result = copy(image { data = data })
    assert.same({ thin = 8, copied = 8 * 4096, through_host = 2 * 8 * 4096 },
      pick(result, "thin", "copied", "through_host"))
  end)

  it("keeps the holes of what lies between", function()
    local result, target = copy(image { data = { [MIB] = ceph.noise(MIB), [3 * MIB] = ceph.noise(MIB // 2) } })
    assert.same({ punched = 1, through_host = 0 }, pick(result, "punched", "through_host"))
    -- What the OSDs then have of it shows when it is read extent by extent.
    local handle <close> = assert(rbd.open(other, target, { read_only = false }))
    assert(handle:discard(MIB, MIB))
    assert(handle:snapshot_create "it")
    assert(handle:snapshot_protect "it")
    local source <close> = at_snapshot(target, other)
    local again = assert(source:osd_copy(main, assert(target_of(source, main))))
    assert.same({ thin = 1, through_host = MIB }, pick(again, "thin", "through_host"))
  end)

  it("keeps the holes of an object that comes after many dense ones", function()
    local name = image { order = 20, data = {
      [0] = mebibytes(20), [20 * MIB + MIB // 2] = ceph.noise(MIB // 2), [21 * MIB + MIB // 4] = ceph.noise(4096),
    } }
    assert.same({ whole = 20, punched = 1, thin = 1 },
      pick(copy(name, { max_in_flight = 1 }), "whole", "punched", "thin"))
  end)

  it("squeezes an object with more holes than an operation can name", function()
    local data = {}
    for i = 0, 299 do data[i * 8192] = ceph.noise(4096, i) end
    assert.same({ squeezed = 1, through_host = 0 }, pick(copy(image { data = data }), "squeezed", "through_host"))
  end)

  it("drops zeroes that take space in the source", function()
    local name = image { data = { [0] = ("\0"):rep(4 * MIB), [4 * MIB] = ceph.noise(MIB) .. ("\0"):rep(3 * MIB) } }
    local result = copy(name)
    assert.same({ objects = 1, squeezed = 2 }, pick(result, "objects", "squeezed"))
    assert.same({ objects = 2, whole = 2 }, pick(copy(name, { verify = "none" }), "objects", "whole"))
  end)

  it("keeps everything away from this host if asked to", function()
    local result = copy(image { data = { [MIB] = "x" } }, { through_host = false })
    assert.same({ punched = 1, through_host = 0 }, pick(result, "punched", "through_host"))
  end)

  it("copies an image of 0 bytes, and one without data", function()
    assert.equal(0, copy(image { size = 0 }).objects)
    assert.equal(0, copy(image { size = 5 * MIB + 3 }).objects)
  end)

  it("copies whole objects from and to erasure-coded pools, holes as zeroes", function()
    local name = image { data = { [MIB] = ceph.noise(4096) }, data_pool = here.coded }
    assert.equal(1, copy(name).squeezed)
    local result = copy(name, nil, { features = world.FEATURES, data_pool = here.coded })
    assert.equal(1, result.objects)
    assert.equal(0, result.through_host)
  end)

  it("leaves a clone's shared objects to the OSDs, and those that do not map to librbd", function()
    local parent = image { data = { [0] = mebibytes(8) } }
    local handle <close> = assert(rbd.open(main, parent))
    local function clone(order)
      local name = here:expect(main, ceph.name "clone")
      assert(handle:clone("it", main, name, { features = world.FEATURES, order = order }))
      local child <close> = assert(rbd.open(main, name, { read_only = false }))
      assert(child:write(16 * MIB, mebibytes(4)))
      if order == 22 then assert(child:discard(4 * MIB, 4 * MIB)) end
      assert(child:snapshot_create "it")
      assert(child:snapshot_protect "it")
      return name
    end
    assert.same({ levels = 2, whole = 2, empty = 1, librbd = 0 },
      pick(copy(clone(22)), "levels", "whole", "empty", "librbd"))
    local result = copy(clone(23))
    assert.same({ levels = 2, librbd = 1 }, pick(result, "levels", "librbd"))
    assert.is_true(result.through_host > 0)
    local source <close> = at_snapshot(clone(23))
    local target = assert(target_of(source))
    ceph.fails("EOPNOTSUPP", source:osd_copy(other, target, { through_host = false }))
  end)

  it("copies right what is marked invalid in the source's map", function()
    local name = image { data = { [0] = ceph.noise(MIB), [20 * MIB] = mebibytes(4) }, features = { "layering" } }
    here:rbd("feature enable " .. world.spec(main, name) .. " exclusive-lock object-map fast-diff")
    local handle <close> = assert(rbd.open(main, name, { read_only = false }))
    assert(handle:snapshot_unprotect "it")
    assert(handle:snapshot_remove "it")
    assert(handle:snapshot_create "it")
    assert(handle:snapshot_protect "it")
    assert.equal(2, copy(name).objects)
  end)

  it("tells how far it is, in bytes", function()
    local source <close> = at_snapshot(image { data = { [0] = mebibytes(12) } })
    local target, last = assert(target_of(source)), nil
    assert(source:osd_copy(other, target, { progress = function(done, total) last = { done, total } end }))
    assert.same({ 12 * MIB, 12 * MIB }, last)
  end)

  it("keeps to a rate", function()
    local source <close> = at_snapshot(image { data = { [0] = mebibytes(16) } })
    local target = assert(target_of(source))
    local seconds = ceph.timed(source.osd_copy, source, other, target, { max_rate = 8 * MIB })
    assert.is_true(seconds > 1.2, tostring(seconds))
  end)

  describe("refuses", function()
    it("a head", function()
      local source <close> = assert(rbd.open(main, image {}))
      ceph.fails("EINVAL", target_of(source))
    end)

    it("a snapshot that is not protected", function()
      local source <close> = at_snapshot(image { protected = false })
      local target = assert(target_of(source))
      ceph.fails("source.unprotected", source:osd_copy(other, target))
    end)

    it("a target that it did not make, or made for another snapshot, or finished", function()
      local name = image { data = { [0] = "x" } }
      local source <close> = at_snapshot(name)
      local plain = here:expect(other, ceph.name "plain")
      assert(rbd.create(other, plain, { size = 32 * MIB, features = world.FEATURES }))
      ceph.fails("EEXIST", source:osd_copy(other, plain))
      local target = assert(target_of(source))
      local another <close> = at_snapshot(image {})
      ceph.fails("ESTALE", another:osd_copy(other, target))
      assert(source:osd_copy(other, target))
      ceph.fails("EEXIST", source:osd_copy(other, target))
    end)

    it("a target with journaling, a name that is taken, and misuse", function()
      local source <close> = at_snapshot(image {})
      ceph.fails("EINVAL", target_of(source, other, { features = { "layering", "exclusive-lock", "journaling" } }))
      local target = assert(target_of(source))
      ceph.fails("EEXIST", source:osd_create(other, target, { features = world.FEATURES }))
      assert.has_error(function() source:osd_copy(other, target, { verfy = "none" }) end)
      assert.has_error(function() source:osd_copy(other, target, { verify = "some" }) end)
      assert.has_error(function() source:osd_copy(other, target, { max_in_flight = 65 }) end)
    end)

    it("a source that is being migrated", function()
      local name = image { data = { [0] = ceph.noise(MIB) }, protected = false }
      local moved = ceph.name "moved"
      here:rbd(("migration prepare %s %s"):format(world.spec(main, name), world.spec(other, moved)))
      local source <close> = assert(rbd.open(other, moved, { snapshot = "it" }))
      ceph.fails("EOPNOTSUPP", target_of(source))
      source:close()
      here:rbd(("migration abort --no-progress %s"):format(world.spec(other, moved)))
    end)

    it("a source whose data the user may not read", function()
      local name = image { data = { [0] = mebibytes(4) }, data_pool = here.coded }
      local id, keyring = here.scratch:make_user(("mon 'profile rbd' osd 'profile rbd-read-only pool=%s, "
        .. "profile rbd pool=%s'"):format(here.main, here.other))
      local cluster <close> = assert(core.rados.connect { id = id, keyring = keyring })
      local pool <close> = assert(cluster:pool(here.main))
      local source <close> = assert(rbd.open(pool, name, { snapshot = "it" }))
      local target <close> = assert(cluster:pool(here.other))
      ceph.fails("EPERM", source:osd_create(target, ceph.name "copy", { features = world.FEATURES }))
    end)
  end)

  it("ends at once when the pool reaches its quota in mid-copy", function()
    local name = image { size = 512 * MIB, data = { [0] = mebibytes(96) } }
    local full = here.scratch:make_pool()
    ceph.admin(("osd pool set-quota %s max_bytes %d"):format(full, 4 * MIB))
    local id, keyring = here.scratch:make_user(("mon 'profile rbd' osd 'profile rbd pool=%s, profile rbd pool=%s'")
      :format(here.main, full))
    local cluster <close> = assert(core.rados.connect { id = id, keyring = keyring })
    local from <close> = assert(cluster:pool(here.main))
    local to <close> = assert(cluster:pool(full))
    local source <close> = assert(rbd.open(from, name, { snapshot = "it" }))
    assert(source:osd_create(to, "copy", { features = world.FEATURES }))
    -- It would take 48 seconds, and for ever without room.
    local copying = task.spawn(function() return table.pack(source:osd_copy(to, "copy", { max_rate = 2 * MIB })) end)
    eventually("the end of the quota", function()
      return ceph.admin("osd pool ls detail"):find(("'%s'[^\n]*full_quota"):format((full:gsub("%-", "%%-"))))
    end)
    local seconds, results = ceph.timed(copying.join, copying)
    local err = ceph.fails("EDQUOT", results[1], results[2])
    assert.is_true(seconds < 30, tostring(seconds))
    assert.matches("raise the quota of pool " .. full, err.message, 1, true)
    assert.same({ "object map invalid", "fast diff invalid" }, rbd.open(to, "copy"):info().flags)
  end)

  it("notices a copy that differs", function()
    local name = image { data = { [0] = mebibytes(8) } }
    local _, target = copy(name)
    local source <close> = at_snapshot(name)
    assert.equal(2, source:osd_verify(other, target).verified)
    do
      local handle <close> = assert(rbd.open(other, target, { read_only = false }))
      assert(handle:write(5 * MIB, "y"))
    end
    local err = ceph.fails("verify.differs", source:osd_verify(other, target))
    assert.matches("differs from its source", err.message, 1, true)
    ceph.fails("verify.differs", source:osd_verify(other, target, { method = "read" }))
  end)

  it("goes on where it was cancelled", function()
    local name = image { size = 256 * MIB, data = { [0] = mebibytes(48) }, order = 20 }
    local source <close> = at_snapshot(name)
    local target = assert(target_of(source))
    cancel(begun(source, target, { max_rate = 4 * MIB, max_in_flight = 4 }, 8 * MIB))
    assert.same({ "object map invalid", "fast diff invalid" }, rbd.open(other, target):info().flags)
    local result = assert(source:osd_copy(other, target))
    assert.is_true(result.resumed_at > 0 and result.whole < 48, result.resumed_at .. " " .. result.whole)
    assert.is_nil(here:faults(world.spec(main, name) .. "@it", world.spec(other, target), 48 * MIB))
  end)

  it("leaves no object behind when an unfinished target is removed", function()
    local source <close> = at_snapshot(image { data = { [0] = mebibytes(24) } })
    local target = assert(target_of(source))
    local prefix = rbd.open(other, target):info().block_name_prefix
    cancel(begun(source, target, { max_rate = MIB, max_in_flight = 2 }, 4 * MIB))
    assert.is_true(#other:objects { prefix = prefix } > 0)
    assert(rbd.remove(other, target))
    assert.same({}, other:objects { prefix = prefix })
  end)

  it("does not take an object for a hole that the map names and nobody has", function()
    local name = image { data = { [0] = mebibytes(8) }, protected = false }
    local head <close> = assert(rbd.open(main, name, { read_only = false }))
    assert(main:remove(head:info().block_name_prefix .. ".0000000000000001"))
    assert(head:snapshot_remove "it")
    assert(head:snapshot_create "it")
    assert(head:snapshot_protect "it")
    local source <close> = at_snapshot(name)
    local target = assert(target_of(source))
    local err = ceph.fails("source.map", source:osd_copy(other, target))
    assert.matches("rbd object-map rebuild", err.message, 1, true)
  end)

  it("does not trust a snapshot that was removed meanwhile", function()
    local name = image { data = { [0] = mebibytes(24) } }
    local source <close> = at_snapshot(name)
    local target = assert(target_of(source))
    local copying = begun(source, target, { max_rate = 2 * MIB, max_in_flight = 2 }, 4 * MIB)
    local head <close> = assert(rbd.open(main, name, { read_only = false }))
    assert(head:snapshot_unprotect "it")
    assert(head:snapshot_remove "it")
    assert(head:write(0, mebibytes(24, 7)))
    local results = copying:join()
    ceph.fails("source.changed", results[1], results[2])
    assert.same({ "object map invalid", "fast diff invalid" }, rbd.open(other, target):info().flags)
  end)
end)
