local ceph = require "support.ceph"
local eventually = require "support.eventually"
local task = require "siphon.core".task

describe("a lock on an object", function()
  local scratch, pool, other, name

  setup(function()
    scratch = ceph.scratch()
    pool = scratch:pool("volumes", "spec-lock")
    local connection = scratch:connect()
    other = assert(connection:pool("volumes", { namespace = "spec-lock" }))
  end)
  teardown(function()
    other:close()
    scratch:clean()
  end)
  before_each(function() name = ceph.name "lock" end)
  after_each(function() pool:remove(name) end)

  it("is held by one client", function()
    assert.same({}, pool:lockers(name, "lease"))
    assert.is_true(pool:lock(name, "lease", { cookie = "c1", description = "a spec" }))
    local err = ceph.fails("EBUSY", other:lock(name, "lease"))
    assert.matches("pool:lockers() tells who", err.message, 1, true)
    assert.is_true(err.retryable)
    assert.same({ { client = pool.cluster.client, cookie = "c1", address = pool.cluster.address, exclusive = true } },
      other:lockers(name, "lease"))
    ceph.fails("ENOENT", other:unlock(name, "lease", "c1"))
    ceph.fails("ENOENT", pool:unlock(name, "lease", "c2"))
    assert.is_true(pool:unlock(name, "lease", "c1"))
    assert.same({}, pool:lockers(name, "lease"))
    assert.is_true(other:lock(name, "lease"))
  end)

  it("expires and is renewed", function()
    assert(pool:lock(name, "lease", { cookie = "c", duration = 1 }))
    assert(pool:lock(name, "lease", { cookie = "c", duration = 60, renew = true }))
    ceph.fails("EEXIST", pool:lock(name, "lease", { cookie = "c", duration = 60 }))
    task.sleep(1.2)
    ceph.fails("EBUSY", other:lock(name, "lease"))
    assert(pool:lock(name, "lease", { cookie = "c", duration = 0.2, must_renew = true }))
    eventually("the end of the lock", function() return #assert(other:lockers(name, "lease")) == 0 end)
    local err = ceph.fails("ENOENT", pool:lock(name, "lease", { cookie = "c", duration = 5, must_renew = true }))
    assert.matches("not held any more", err.message, 1, true)
    assert(other:lock(name, "lease"))
  end)

  it("is shared", function()
    assert(pool:lock(name, "lease", { cookie = "a", shared = true }))
    assert(other:lock(name, "lease", { cookie = "b", shared = true }))
    ceph.fails("EBUSY", other:lock(name, "lease", { cookie = "c" }))
    local holders = assert(pool:lockers(name, "lease"))
    assert.equal(2, #holders)
    assert.is_false(holders[1].exclusive)
  end)

  it("is broken", function()
    assert(pool:lock(name, "lease", { cookie = "c" }))
    local holder = other:lockers(name, "lease")[1]
    ceph.fails("ENOENT", other:break_lock(name, "lease", "client.1", "c"))
    ceph.fails("EINVAL", other:break_lock(name, "lease", "nonsense", "c"))
    assert.is_true(other:break_lock(name, "lease", holder.client, holder.cookie))
    assert(other:lock(name, "lease"))
    ceph.fails("ENOENT", pool:unlock(name, "lease", "c"))
  end)

  it("is one of several on the same object", function()
    assert(pool:lock(name, "one"))
    assert(other:lock(name, "two"))
    assert.equal(other.cluster.client, pool:lockers(name, "two")[1].client)
  end)

  it("has many holders' names", function()
    for i = 1, 60 do assert(pool:lock(name, "lease", { cookie = ("%040d"):format(i), shared = true })) end
    assert.equal(60, #assert(pool:lockers(name, "lease")))
  end)

  it("is spared from misuse", function()
    assert.error_matches(function() pool:lock(name, "lease", { duration = -1 }) end, "number of seconds")
    assert.error_matches(function() pool:lock(name, "") end, "not empty")
    assert.error_matches(function() pool:lock(name, "lease", { renw = true }) end, "did you mean 'renew'")
  end)
end)
