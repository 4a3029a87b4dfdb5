local ceph = require "support.ceph"
local core = require "siphon.core"

local rados = core.rados

-- An address where nothing listens, and one whose packets go nowhere.
local CLOSED, SILENT = "127.0.0.1:1", "v1:192.0.2.1:6789"

describe("siphon.rados.connect", function()
  local files

  local function file(text)
    local path = os.tmpname()
    local f <close> = assert(io.open(path, "w"))
    f:write(text)
    files[#files + 1] = path
    return path
  end

  before_each(function() files = {} end)

  after_each(function()
    for _, path in ipairs(files) do os.remove(path) end
  end)

  -- What a process of its own says of a connection made with `options` (Lua text) in that environment.
  local function elsewhere(options, variables)
    return ceph.lua(([[
      local cluster, err = core.rados.connect(%s)
      if cluster then io.write("connected as ", cluster.name) cluster:close()
      else io.write(err.code, ": ", err.message) end
    ]]):format(options or ""), variables)
  end

  it("takes all from the environment", function()
    local cluster <close> = assert(rados.connect())
    assert.equal(ceph.run "ceph fsid", cluster.fsid)
    assert.equal("siphon", cluster.id)
    assert.equal("client.siphon", cluster.name)
    assert.matches("^127%.0%.0%.1:0/%d+$", cluster.address)
    assert.matches("^client%.%d+$", cluster.client)
    assert.matches(cluster.fsid, tostring(cluster), 1, true)
    assert.is_nil(cluster.nonsense)
  end)

  it("takes the user and the file as arguments too", function()
    local cluster <close> = assert(rados.connect { conf = os.getenv "CEPH_CONF", name = "client.siphon", timeout = 5.5 })
    assert.equal("siphon", cluster.id)
  end)

  it("reads CEPH_ARGS in all of its spellings", function()
    for _, args in ipairs { "--id siphon", "--id=siphon", "--user siphon", "--name client.siphon", "-n client.siphon",
      "--rbd-cache=true --id siphon --debug-ms 0/0" } do
      assert.same({ "connected as client.siphon", "" }, { elsewhere("", { CEPH_ARGS = args }) }, args)
    end
    local conf = os.getenv "CEPH_CONF"
    for _, args in ipairs { "--conf " .. conf, "-c " .. conf, "--conf=" .. conf } do
      assert.same({ "connected as client.siphon", "" },
        { elsewhere("", { CEPH_ARGS = "--id siphon " .. args, CEPH_CONF = false }) }, args)
    end
  end)

  it("lets arguments win over the environment", function()
    assert.same({ "connected as client.siphon", "" },
      { elsewhere([[{ id = "siphon", conf = os.getenv "GOOD" }]],
        { CEPH_ARGS = "--id nobody", CEPH_CONF = "/nonexistent", GOOD = os.getenv "CEPH_CONF" }) })
  end)

  it("reads CEPH_KEYRING, and a keyring that is an argument before that", function()
    local keyring = ceph.run("ceph-conf --name client.siphon --lookup keyring")
    local bare = file(("[global]\nmon host = %s\n"):format(ceph.run("ceph-conf --lookup 'mon host'")))
    local elsewhere_to_look = { CEPH_CONF = bare, CEPH_KEYRING = keyring }
    assert.same({ "connected as client.siphon", "" }, { elsewhere("", elsewhere_to_look) })
    elsewhere_to_look.CEPH_KEYRING = "/nonexistent"
    assert.same({ "connected as client.siphon", "" },
      { elsewhere(("{ keyring = %q }"):format(keyring), elsewhere_to_look) })
  end)

  it("sets Ceph options", function()
    local cluster <close> = assert(rados.connect { options = { rbd_cache = true, debug_ms = "0/0", rbd_op_threads = 2 } })
    assert.equal("siphon", cluster.id)
  end)

  describe("says what is wrong when", function()
    it("no monitor answers, in time", function()
      for _, mon in ipairs { CLOSED, SILENT } do
        local seconds, _, err = ceph.timed(rados.connect, { mon_host = mon, timeout = 1 })
        ceph.fails("rados.unreachable", nil, err)
        assert.is_true(seconds < 60, "it took " .. seconds) -- by itself, librados waits for 300 seconds
        assert.equal(110, err.errno)
        assert.is_true(err.retryable)
        assert.matches(mon, err.message, 1, true)
        assert.matches("check mon_host", err.message, 1, true)
      end
    end)

    it("a waiter is cancelled before the monitor answers", function()
      local seconds, _, err = ceph.timed(core.task.timeout, 0.3, rados.connect, { mon_host = SILENT, timeout = 20 })
      assert.equal("timeout", err.code)
      assert.is_true(seconds < 15, "it took " .. seconds)
    end)

    it("the key is not the cluster's", function()
      local keyring = file "[client.siphon]\n key = AQBOL0FncAAAABAAlmXvvC5LvI3bqAw0Pyhb0w==\n"
      local err = ceph.fails("rados.auth", rados.connect { keyring = keyring, timeout = 10 })
      assert.matches("refuse client.siphon", err.message, 1, true)
      assert.matches(keyring, err.message, 1, true)
    end)

    it("there is no such user", function()
      local keyring = file "[client.nobody]\n key = AQBOL0FncAAAABAAlmXvvC5LvI3bqAw0Pyhb0w==\n"
      local err = ceph.fails("rados.auth", rados.connect { id = "nobody", keyring = keyring, timeout = 10 })
      assert.matches("refuse client.nobody", err.message, 1, true)
    end)

    it("the keyring is malformed", function()
      local keyring = file "[client.siphon]\n key = garbage\n"
      ceph.fails("rados.auth", rados.connect { keyring = keyring, timeout = 10 })
    end)

    it("there is no keyring", function()
      local err = ceph.fails("rados.conf", rados.connect { keyring = "/nonexistent/a,/nonexistent/b", timeout = 10 })
      assert.matches("no keyring for client.siphon: looked for /nonexistent/a,/nonexistent/b", err.message, 1, true)
      ceph.fails("rados.conf", rados.connect { id = "nobody", timeout = 10 })
    end)

    it("there is no configuration file", function()
      local err = ceph.fails("rados.conf", rados.connect { conf = "/nonexistent/ceph.conf" })
      assert.matches("cannot read the configuration file /nonexistent/ceph.conf", err.message, 1, true)
      local said, noise = elsewhere("", { CEPH_CONF = "/nonexistent/ceph.conf" })
      assert.matches("^rados%.conf: cannot read the configuration file /nonexistent/ceph.conf: .*; CEPH_CONF names it$",
        said)
      assert.equal("", noise)
    end)

    it("the configuration file is malformed", function()
      local conf = file "[global\n"
      local err = ceph.fails("rados.conf", rados.connect { conf = conf })
      assert.matches(conf .. " is malformed", err.message, 1, true)
    end)

    it("nothing tells where the monitors are", function()
      local err = ceph.fails("rados.conf", rados.connect { conf = file "[global]\n" })
      assert.matches("no monitor is known", err.message, 1, true)
    end)

    it("a Ceph option or its value is unknown", function()
      local err = ceph.fails("rados.conf", rados.connect { options = { rbd_cash = "true" } })
      assert.matches('no Ceph option "rbd_cash"', err.message, 1, true)
      err = ceph.fails("rados.conf", rados.connect { options = { rbd_cache = "perhaps" } })
      assert.matches('"perhaps" is no value for the Ceph option rbd_cache', err.message, 1, true)
    end)

    it("the user's name is malformed", function()
      ceph.fails("rados.conf", rados.connect { name = "siphon" })
    end)
  end)

  it("is quiet on stderr, whatever goes wrong", function()
    for _, options in ipairs { "{ keyring = '/nonexistent' }", "{ mon_host = '127.0.0.1:1', timeout = 1 }",
      "{ conf = '/nonexistent' }", "{ name = 'x' }", "{ options = { nonsense = 1 } }", "{ id = 'nobody' }" } do
      local said, noise = elsewhere(options)
      assert.matches("^rados%.", said)
      assert.equal("", noise, options)
    end
  end)

  it("raises misuse", function()
    assert.error_matches(function() rados.connect { confg = "x" } end, "did you mean 'conf'")
    assert.error_matches(function() rados.connect { id = "a", name = "client.a" } end, "not both")
    assert.error_matches(function() rados.connect { timeout = 0 } end, "timeout must be")
    assert.error_matches(function() rados.connect { options = "rbd_cache" } end, "table of Ceph options")
    assert.error_matches(function() rados.connect { id = "a\0b" } end, "zero byte")
    local cluster = assert(rados.connect())
    assert.is_true(cluster:close())
    assert.is_true(cluster:close())
    local ok, err = pcall(cluster.stat, cluster)
    assert.is_false(ok)
    assert.equal("closed", err.code)
  end)
end)
