local ceph = require "support.ceph"

describe("omap", function()
  local scratch, pool, name

  setup(function()
    scratch = ceph.scratch()
    pool = scratch:pool("volumes", "spec-omap")
  end)
  teardown(function() scratch:clean() end)
  before_each(function() name = ceph.name "omap" end)
  after_each(function() pool:remove(name) end)

  it("keeps keys and values, of any bytes", function()
    local all = { a = "1", b = "", ["k\0ey"] = "\0\255", ["last"] = ceph.noise(100000) }
    assert.is_true(pool:omap_set(name, all))
    local found, after = pool:omap_get(name)
    assert.same(all, found)
    assert.is_nil(after)
    assert.is_true(pool:omap_set(name, { a = "2" }))
    assert.equal("2", pool:omap_get(name).a)
  end)

  it("gives what is asked for", function()
    local all = {}
    for i = 1, 30 do all[("k%02d"):format(i)] = tostring(i) end
    all.other = "x"
    assert(pool:omap_set(name, all))
    assert.same({ k03 = "3", other = "x" }, pool:omap_get(name, { keys = { "k03", "other", "absent" } }))
    assert.same({}, pool:omap_get(name, { keys = {} }))
    assert.same({ k29 = "29", k30 = "30" }, pool:omap_get(name, { after = "k28", prefix = "k" }))
    assert.same({ other = "x" }, pool:omap_get(name, { prefix = "o" }))
    local page, after = pool:omap_get(name, { max = 2 })
    assert.same({ k01 = "1", k02 = "2" }, page)
    assert.equal("k02", after)
    assert.same({ k03 = "3" }, (pool:omap_get(name, { max = 1, after = after })))
  end)

  it("gives more than an OSD does at once", function()
    local all = {}
    for i = 1, 3000 do all[("%05d"):format(i)] = "v" end
    assert(pool:omap_set(name, all))
    assert.same(all, pool:omap_get(name))
    local page, after = pool:omap_get(name, { max = 2500 })
    local count = 0
    for _ in pairs(page) do count = count + 1 end
    assert.equal(2500, count)
    assert.equal("02500", after)
  end)

  it("changes only what is as expected", function()
    assert(pool:omap_set(name, { state = "queued", owner = "" }))
    assert(pool:omap_set(name, { state = "running", owner = "me" }, { expect = { state = "queued", owner = "" } }))
    local err = ceph.fails("rados.conflict",
      pool:omap_set(name, { state = "mine" }, { expect = { state = "queued" }, remove = { "owner" } }))
    assert.equal(125, err.errno)
    assert.matches("nothing was changed", err.message, 1, true)
    assert.same({ state = "running", owner = "me" }, pool:omap_get(name))
    assert(pool:omap_set(name, { new = "1" }, { expect = { new = "" } }))
    ceph.fails("rados.conflict", pool:omap_set(name, { new = "2" }, { expect = { new = "" } }))
    assert(pool:omap_set(name, { state = "done" }, { expect = { state = "running" }, remove = { "owner", "new" } }))
    assert.same({ state = "done" }, pool:omap_get(name))
  end)

  it("knows whether the object has to be new or there", function()
    ceph.fails("ENOENT", pool:omap_set(name, { a = "1" }, { create = "never" }))
    ceph.fails("rados.conflict", pool:omap_set(name, { a = "1" }, { expect = { a = "0" } }))
    ceph.fails("ENOENT", pool:omap_get(name))
    assert(pool:omap_set(name, { a = "1" }, { expect = { a = "" } }))
    assert(pool:remove(name))
    assert(pool:omap_set(name, { a = "1" }, { create = "exclusive" }))
    ceph.fails("EEXIST", pool:omap_set(name, { a = "2" }, { create = "exclusive" }))
    assert(pool:omap_set(name, { b = "2" }, { create = "never" }))
    assert.same({ a = "1", b = "2" }, pool:omap_get(name))
  end)

  it("forgets", function()
    assert(pool:omap_set(name, { a = "1", b = "2", c = "3" }))
    assert.is_true(pool:omap_remove(name, { "a", "absent" }))
    ceph.fails("rados.conflict", pool:omap_remove(name, { "b" }, { expect = { c = "4" } }))
    assert.is_true(pool:omap_remove(name, { "b" }, { expect = { c = "3" } }))
    assert.same({ c = "3" }, pool:omap_get(name))
    assert(pool:remove(name))
    ceph.fails("ENOENT", pool:omap_get(name))
    ceph.fails("ENOENT", pool:omap_remove(name, { "a" }))
  end)

  it("is spared from misuse", function()
    assert.error_matches(function() pool:omap_set(name, { 1, 2 }) end, "keys and values are strings")
    assert.error_matches(function() pool:omap_set(name, { a = 1 }) end, "keys and values are strings")
    assert.error_matches(function() pool:omap_set(name, "a") end, "table expected")
    assert.error_matches(function() pool:omap_remove(name, { 1 }) end, "keys are strings")
    assert.error_matches(function() pool:omap_get(name, { keys = {}, after = "x" }) end, "neither prefix nor after")
    assert.error_matches(function() pool:omap_set(name, {}, { expect = "x" }) end, "must be a table")
    assert.error_matches(function() pool:omap_set(name, {}, { create = "maybe" }) end, "cannot be")
  end)
end)
