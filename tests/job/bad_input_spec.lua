-- What a person may get wrong: one clear line each, an exit code of its own, and nothing left behind.

local bed = require "support.bed"
local command = require "support.command"
local eventually = require "support.eventually"

describe("siphon copy", function()
  local before, with_volume
  local spec, name

  setup(function()
    before = bed.inventory()
    spec, name = bed.volume()
    command.shell(("rbd snap create --no-progress %s@real && rbd snap protect %s@real"):format(spec, spec))
    command.shell("rbd create --size 0 volumes/empty-" .. name)
    with_volume = bed.holdings()
  end)
  teardown(function()
    bed.remove("volumes/empty-" .. name)
    bed.remove(spec)
    bed.assert_unchanged(before)
  end)
  after_each(function() bed.assert_unchanged(with_volume, bed.holdings) end)

  -- Runs it; the answer has to be one line on stderr that matches, and this exit code.
  local function refused(code, pattern, arguments, options)
    local result = command.run({ "copy", table.unpack(arguments) }, options)
    assert.equal(1, select(2, result.err:gsub("\n", "")), result.err)
    assert.matches("^siphon: .*" .. pattern, result.err)
    assert.equal(code, result.code, result.err)
    return result
  end

  local IMAGES = { "--pool", "images" }
  local function to_glance(source, ...)
    return { source, "glance:x", IMAGES[1], IMAGES[2], ... }
  end

  it("names what is missing, with the nearest", function()
    refused(65, ("there is no image '%s%%-'.* did you mean '%s'"):format(name:gsub("%-", "%%-"), name:gsub("%-", "%%-")),
      to_glance(spec .. "-"))
    refused(65, "there is no image 'nothing%-like%-it' in pool 'volumes'", to_glance "volumes/nothing-like-it")
    refused(65, "there is no pool 'volume'.* did you mean 'volumes'", to_glance("volume/" .. name))
    refused(65, "has no snapshot 'reel'; did you mean 'real'", to_glance(spec .. "@reel"))
    refused(65, "there is no image .* namespace 'nowhere'", to_glance("volumes/nowhere/" .. name))
    refused(65, "there is no pool 'image'.*images.*named by %-%-pool", { spec, "glance:x", "--pool", "image" })
    refused(65, "there is no pool 'imags'", { spec, "imags/copy" })
    refused(65, "namespace 'nowhere'", { spec, "images/nowhere/copy" })
    refused(65, "no connection to the cluster 11111111", { "rbd://11111111/volumes/x/s", "glance:x", "--pool", "images" })
  end)

  it("refuses a target that exists", function()
    refused(65, ("'volumes/empty%%-%s' exists already"):format(name:gsub("%-", "%%-")), { spec, "volumes/empty-" .. name })
    local id = command.shell("cat /proc/sys/kernel/random/uuid"):match "%S+"
    command.shell(("rbd create --size 1 images/%s"):format(id))
    refused(65, "exists already", to_glance(spec, "--image-id", id))
    command.shell(("rbd rm --no-progress images/%s"):format(id))
    command.shell(([[curl -sSf -X POST -H 'Content-Type: application/json' %s/v2/images -d '{"id": "%s", "name": "x"}']])
      :format(bed.url, id))
    refused(65, "there is a Glance image .* already", to_glance(spec, "--image-id", id))
    bed.delete_glance_image(id)
  end)

  it("refuses to copy an image to itself", function()
    refused(65, "cannot be copied to itself", { spec, spec })
    refused(65, "cannot be copied to itself", { spec .. "@real", spec })
  end)

  it("explains a spec that it cannot read", function()
    refused(64, "pool is missing", { name, "glance:x" })
    refused(64, "name of the Glance image is missing", { spec, "glance:" })
    refused(64, "too many '/'", { "a/b/c/d", "glance:x" })
    refused(64, "snapshot's name cannot hold", { "a/b@c@d", "glance:x" })
    refused(64, "has to be an RBD image", { "glance:x", "glance:y" })
    refused(64, "names a snapshot", { spec, "images/x@s" })
    refused(64, "at most 255 characters", { spec, "glance:" .. ("x"):rep(256) })
    refused(64, "UTF%-8", { spec, "glance:\xff\xfe" })
  end)

  it("passes on what Glance says of a name", function()
    refused(65, "4 byte unicode", { spec, "glance:🐙", "--pool", "images" })
  end)

  it("knows its options", function()
    refused(64, "did you mean '%-%-policy'", to_glance(spec, "--polcy", "x"))
    refused(64, "is not a UUID", to_glance(spec, "--image-id", "1234"))
    refused(64, "there is no route 'coppy'; did you mean 'copy'", to_glance(spec, "--route", "coppy"))
    refused(65, "there is no policy 'defalt'", to_glance(spec, "--policy", "defalt"))
    refused(64, "%-%-pool goes with a target glance:NAME", { spec, "images/x", "--pool", "images" })
    refused(64, "%-%-image%-id goes with", { spec, "images/x", "--image-id", "x" })
    refused(64, "more than 0 seconds", to_glance(spec, "--timeout", "0"))
    refused(64, "name it with %-%-pool", { spec, "glance:x", "--route", "copy" })
  end)

  it("refuses an empty volume for Glance", function()
    refused(65, "has 0 bytes", to_glance("volumes/empty-" .. name))
  end)

  it("says what is wrong with a policy", function()
    local path = os.tmpname()
    local function with_policy(text)
      local file <close> = assert(io.open(path .. ".lua", "w"))
      file:write(text)
      file:close()
      return to_glance(spec, "--policy", path .. ".lua")
    end
    refused(65, "undefined name 'fatcs'", with_policy "return { routes = function() return fatcs end }")
    refused(65, "unknown route 'cpoy'; did you mean 'copy'", with_policy "return { routes = function() return { 'cpoy' } end }")
    refused(65, "no route leads there %(not today%)", with_policy "return { routes = function() return {}, 'not today' end }")
    refused(65, ":1: .* near", with_policy "return {")
    refused(65, "attempt to call a nil value",
      with_policy "return { routes = function() return { 'copy' } end, before = function() local x; x() end }")
    os.remove(path)
    os.remove(path .. ".lua")
  end)

  describe("without a right", function()
    local users = {}
    local function user(caps)
      local who = "client." .. bed.name "limited"
      users[#users + 1] = who
      local keyring = os.tmpname()
      command.shell(("%s ceph auth get-or-create %s %s > %s"):format(("tests/testbed/testbed admin --dir %s"):format(bed.directory),
        who, caps, keyring))
      return { "--name", who, "--keyring", keyring }, keyring
    end
    local function as(caps, arguments)
      local identity, keyring = user(caps)
      for i, word in ipairs(identity) do table.insert(arguments, i, word) end
      return arguments, function()
        bed.admin("ceph auth del " .. users[#users])
        os.remove(keyring)
      end
    end
    local function refused_as(caps, code, pattern, arguments)
      local with_identity, done = as(caps, arguments)
      local ok, err = pcall(refused, code, pattern, with_identity)
      done()
      assert(ok, err)
    end

    it("to write to the target pool, names the capability", function()
      refused_as("mon 'profile rbd' osd 'profile rbd pool=volumes, profile rbd-read-only pool=images'", 77,
        "may not write to the pool 'images'.*profile rbd pool=images", to_glance(spec, "--route", "copy"))
    end)

    it("to take a snapshot, names the capability", function()
      refused_as("mon 'profile rbd' osd 'profile rbd-read-only pool=volumes, profile rbd pool=images'", 77,
        "may not take a snapshot in the pool 'volumes'.*profile rbd pool=volumes", to_glance(spec))
    end)

    it("to read the source", function()
      refused_as("mon 'profile rbd' osd 'profile rbd pool=images'", 77, "volumes", to_glance(spec))
    end)

    it("to take one still copies a protected snapshot", function()
      local target = "images/" .. bed.name "copy"
      local arguments, done = as("mon 'profile rbd' osd 'profile rbd-read-only pool=volumes, profile rbd pool=images'",
        { spec .. "@real", target })
      local result = command.run { "copy", table.unpack(arguments) }
      done()
      assert.equal("", result.err)
      assert.equal(0, result.code)
      bed.remove(target)
    end)
  end)

  describe("when Ceph cannot be used", function()
    local function conf(text)
      local path = os.tmpname()
      local file <close> = assert(io.open(path, "w"))
      file:write(text)
      file:close()
      return path
    end

    it("says within --timeout that it is out of reach", function()
      local path = conf("[global]\nmon_host = 127.0.0.1:1\nkeyring = " .. bed.directory .. "/client/ceph.client.siphon.keyring\n")
      local began = os.time()
      refused(69, "monitor", to_glance(spec, "-c", path, "--timeout", "5"))
      assert.is_true(os.time() - began < 60) -- by itself, librados waits for 300 seconds
      os.remove(path)
    end)

    it("names a missing configuration, user or keyring", function()
      refused(78, "/no/such/ceph.conf", to_glance(spec, "-c", "/no/such/ceph.conf"))
      refused(78, "client.nobody", to_glance(spec, "--id", "nobody"))
    end)

    it("names a wrong key", function()
      local path = conf "[client.siphon]\n\tkey = AQAAAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAA==\n"
      refused(77, "client.siphon", to_glance(spec, "--keyring", path))
      os.remove(path)
    end)
  end)

  describe("when Glance is not known", function()
    it("says which variables name it", function()
      refused(78, "OS_AUTH_TYPE", to_glance(spec), { env = { OS_AUTH_TYPE = "" } })
      refused(78, "OS_ENDPOINT", to_glance(spec), { env = { OS_ENDPOINT = "" } })
      refused(78, "OS_ENDPOINT", to_glance(spec), { env = { OS_ENDPOINT = "not a url" } })
    end)

    it("does not need it for an RBD target", function()
      local target = "images/" .. bed.name "copy"
      local result = command.run({ "copy", spec, target }, { env = { OS_AUTH_TYPE = "", OS_ENDPOINT = "" } })
      assert.equal(0, result.code)
      bed.remove(target)
    end)
  end)

  it("stops on a pool that is too full, before it begins", function()
    bed.admin "ceph osd pool set-quota images max_bytes 1000000"
    local ok, err = pcall(refused, 69, "up to %d+ MiB will be written to the pool 'images', which has %d+ %w+ left", to_glance(spec))
    bed.admin "ceph osd pool set-quota images max_bytes 0"
    -- The mon looks every five seconds whether a pool is over its quota, and whether it no longer is.
    eventually("the end of the quota", function()
      return not bed.admin("ceph osd pool ls detail"):find("full_quota", 1, true)
    end)
    assert(ok, err)
  end)
end)
