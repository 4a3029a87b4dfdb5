local ceph = require "support.ceph"
local core = require "siphon.core"
local json = require "siphon.json"

local rados = core.rados

describe("a cluster", function()
  local scratch, cluster

  setup(function()
    scratch = ceph.scratch()
    cluster = scratch.cluster
  end)
  teardown(function() scratch:clean() end)

  it("knows its release", function()
    local release = assert(cluster:release())
    local version, name = ceph.run("ceph version"):match "^ceph version (%S+) %S+ (%a+)"
    assert.equal(version, release.version)
    assert.equal(name, release.name)
    assert.equal(math.tointeger(tonumber(version:match "^%d+")), release.number)
    assert.equal(release.number, release.osd)
  end)

  it("knows its space", function()
    local stat = assert(cluster:stat())
    local total = json.decode(ceph.run "ceph df --format json").stats.total_bytes
    assert.equal(total, stat.size)
    assert.is_true(stat.used > 0 and stat.available > 0 and stat.used < stat.size)
    assert.equal("integer", math.type(stat.objects))
  end)

  it("lists its pools", function()
    local found = {}
    for _, pool in ipairs(assert(cluster:pools())) do found[pool.name] = pool.id end
    for _, pool in ipairs(json.decode(ceph.run "ceph osd lspools --format json")) do
      assert.equal(pool.poolnum, found[pool.poolname])
    end
    assert.is_number(found.volumes)
  end)

  describe("opens pools", function()
    it("by name and namespace", function()
      local pool <close> = assert(cluster:pool "volumes")
      assert.equal("volumes", pool.name)
      assert.equal("", pool.namespace)
      assert.equal(cluster, pool.cluster)
      assert.equal("siphon.rados.Pool (volumes)", tostring(pool))
      local inner <close> = assert(cluster:pool("volumes", { namespace = "spec" }))
      assert.equal("spec", inner.namespace)
      assert.equal(pool.id, inner.id)
    end)

    it("and says when there is none of that name", function()
      local seconds, _, err = ceph.timed(cluster.pool, cluster, "no such pool")
      ceph.fails("ENOENT", nil, err)
      assert.is_true(seconds < 5)
      assert.equal("no such pool", err.where.pool)
      assert.equal(cluster.fsid, err.where.cluster)
      assert.matches("no such pool; `ceph osd pool ls`", err.message, 1, true)
    end)

    it("and keeps the connection alive for them", function()
      local other = assert(rados.connect())
      local pool <close> = assert(other:pool "volumes")
      other:close()
      assert.is_true(assert(pool:stat()).objects >= 0)
      assert.error(function() other:stat() end)
    end)

    it("but not without a name", function()
      assert.error_matches(function() cluster:pool "" end, "not empty")
      assert.error_matches(function() cluster:pool(nil) end, "string expected")
      assert.error_matches(function() cluster:pool("volumes", { name_space = "x" }) end, "did you mean 'namespace'")
    end)
  end)

  describe("passes commands", function()
    it("to the monitors, as a table or as JSON", function()
      local names = json.decode(assert(cluster:mon_command { prefix = "osd pool ls", format = "json" }))
      assert.same(names, json.decode(assert(cluster:mon_command '{"prefix":"osd pool ls","format":"json"}')))
      local _, has = table.unpack { names, table.concat(names, " ") }
      assert.matches("volumes", has, 1, true)
    end)

    it("with every kind of argument", function()
      local map = json.decode(assert(cluster:mon_command { prefix = "osd dump", epoch = 1, format = "json" }))
      assert.equal(1, map.epoch)
      local err = ceph.fails("EINVAL", cluster:mon_command { prefix = 'a "quoted"\n\\ prefix', list = { "a", "b" },
        number = 1.5, yes = true })
      assert.matches("the monitor answers: ", err.message, 1, true)
    end)

    it("to the manager", function()
      assert.same({}, json.decode(assert(cluster:mgr_command { prefix = "rbd task list", format = "json" })))
      local err = ceph.fails("ENOENT", cluster:mgr_command { prefix = "rbd task cancel", task_id = "nonsense" })
      assert.matches("the manager answers: ", err.message, 1, true)
    end)

    it("and what they need as input", function()
      local output = assert(cluster:mon_command({ prefix = "osd pool ls" }, "ignored"))
      assert.matches("volumes\n", output, 1, true)
    end)

    it("that this user may not give", function()
      local err = ceph.fails("EACCES", cluster:mon_command { prefix = "osd pool create", pool = "spec-forbidden" })
      assert.matches("denied", err.message, 1, true)
    end)

    it("but nothing else", function()
      assert.error_matches(function() cluster:mon_command { "osd pool ls" } end, "named fields")
      assert.error_matches(function() cluster:mon_command { prefix = print } end, "not a function")
      assert.error_matches(function() cluster:mon_command { prefix = "x", number = 1 / 0 } end, "finite")
      assert.error_matches(function() cluster:mon_command(12) end, "string expected")
    end)
  end)

  it("bars clients", function()
    local victim = scratch:connect()
    local pool <close> = assert(victim:pool "volumes")
    local name = ceph.name "fenced"
    assert(pool:write(name, "before"))
    assert(cluster:blocklist(victim.address, 60))
    local own = scratch:pool "volumes"
    assert.equal("before", own:read(name))
    local err = ceph.fails("ESHUTDOWN", pool:write(name, "after"))
    assert.matches("connect anew", err.message, 1, true)
    assert.equal("before", own:read(name))
    assert(own:remove(name))
    ceph.admin("osd blocklist rm " .. victim.address)
  end)

  it("bars nobody by a malformed address", function()
    local err = ceph.fails("EINVAL", cluster:blocklist("nonsense", 60))
    assert.matches("it looks like", err.message, 1, true)
    assert.error_matches(function() cluster:blocklist(cluster.address, 0) end, "1 or more")
  end)
end)
