-- siphon doctor on the bed: as it is, and with things broken one at a time.
local bed = require "support.bed"
local command = require "support.command"
local json = require "siphon.json"

-- The findings by "area what", and the exit code.
local function examine(arguments, env)
  local result = command.run({ "doctor", "--json", table.unpack(arguments or {}) }, { env = env })
  local found = {}
  for line in result.out:gmatch "[^\n]+" do
    local finding = assert(json.decode(line))
    found[finding.area .. " " .. finding.what] = finding
  end
  return found, result
end

local function states(found)
  local list = {}
  for name, finding in pairs(found) do
    if finding.state ~= "ok" then list[#list + 1] = name .. ": " .. finding.state end
  end
  table.sort(list)
  return list
end

describe("siphon doctor", function()
  it("finds the bed well, but for what Glance does not tell, and leaves nothing behind", function()
    local before = bed.holdings()
    local found, result = examine()
    assert.same({ "openstack store: warning", "trial copy: skipped" }, states(found))
    assert.equal(0, result.code)
    assert.equal("", result.err)
    assert.matches(bed.cluster().fsid .. ", as client.siphon", found["ceph cluster"].text, 1, true)
    assert.matches("snapshots, images, job records", found["ceph pool volumes"].text, 1, true)
    bed.assert_unchanged(before, bed.holdings)
  end)

  it("fits on a screen, each line with what to do", function()
    local result = command.run { "doctor" }
    assert.is_true(select(2, result.out:gsub("\n", "")) <= 24, result.out)
    assert.matches("\n  warning  store +Glance tells its stores' pools only .-\n +%-> name the pool of its images", result.out)
    assert.matches("\n0 problems, 1 warning\n$", result.out)
    for line in result.out:gmatch "[^\n]+" do assert.is_true(#line < 110, line) end
  end)

  it("tries a copy when told to, and takes all of it away again", function()
    local before = bed.holdings()
    local found, result = examine { "--trial", "--images-pool", "images" }
    assert.equal("ok", found["trial register"].state)
    assert.equal("ok", found["trial read"].state)
    assert.equal("ok", found["trial osd_copy"].state)
    assert.same({}, states(found))
    assert.equal(0, result.code)
    bed.assert_unchanged(before, bed.holdings)
  end)

  it("finds by trying that Glance does not take what lies in another pool", function()
    local before = bed.holdings()
    local found, result = examine { "--trial", "--images-pool", "volumes" }
    assert.equal("problem", found["trial register"].state)
    assert.matches("^glance%.", found["trial register"].code)
    assert.is_nil(found["trial read"])
    assert.equal(69, result.code)
    bed.assert_unchanged(before, bed.holdings)
  end)

  it("says what a user may do that can only read, and what it needs", function()
    local keyring = os.tmpname()
    finally(function()
      os.remove(keyring)
      bed.admin "ceph auth rm client.doctor"
    end)
    bed.admin(("ceph auth get-or-create client.doctor mon 'profile rbd' osd "
      .. "'profile rbd-read-only pool=volumes' -o %s"):format(keyring))
    local found, result = examine { "--id", "doctor", "--keyring", keyring }
    assert.equal("warning", found["ceph pool volumes"].state)
    assert.matches("read only: what is copied has to be a protected snapshot", found["ceph pool volumes"].text, 1, true)
    assert.matches("osd 'profile rbd pool=volumes' for client.doctor", found["ceph pool volumes"].advice, 1, true)
    assert.matches("closed to this user: .*images", found["ceph other pools"].text)
    assert.equal("warning", found["ceph mgr tasks"].state)
    assert.equal(0, result.code)
    found, result = examine { "--id", "doctor", "--keyring", keyring, "--pool", "images", "--pool", "nowhere" }
    assert.equal("problem", found["ceph pool images"].state)
    assert.equal("EPERM", found["ceph pool images"].code)
    assert.equal("ENOENT", found["ceph pool nowhere"].code)
    assert.equal(69, result.code)
  end)

  it("goes on without a cluster, and says why there is none", function()
    local found, result = examine { "--conf", "/nowhere.conf" }
    assert.equal("problem", found["ceph cluster"].state)
    assert.matches("-c FILE or CEPH_CONF", found["ceph cluster"].advice, 1, true)
    assert.equal("ok", found["openstack glance"].state)
    assert.equal(69, result.code)
    local keyring = os.tmpname()
    finally(function() os.remove(keyring) end)
    command.shell(("ceph-authtool --create-keyring %s --gen-key -n client.siphon"):format(keyring))
    assert.equal("rados.auth", examine({ "--keyring", keyring })["ceph cluster"].code)
  end)

  it("goes on without Glance, or without any cloud", function()
    local found, result = examine({}, { OS_ENDPOINT = "http://127.0.0.1:9" })
    assert.equal("problem", found["openstack glance"].state)
    assert.equal("http.connect", found["openstack glance"].code)
    assert.equal("ok", found["ceph pool images"].state)
    assert.equal(69, result.code)
    found = examine({}, { OS_ENDPOINT = "", OS_AUTH_TYPE = "", OS_CLOUD = "", OS_CLIENT_CONFIG_FILE = "/nowhere" })
    assert.equal("problem", found["openstack cloud"].state)
    assert.equal("clouds.config", found["openstack cloud"].code)
  end)

  it("finds a policy that does not load, and that qemu-img is missing", function()
    local directory = command.shell("mktemp -d"):gsub("%s+$", "")
    finally(function() command.shell("rm -r " .. directory) end)
    command.shell(("echo 'return {' >%s/broken.lua; ln -s /bin/ls %s/ls"):format(directory, directory))
    local found, result = examine({}, { SIPHON_POLICY_PATH = directory, PATH = directory })
    assert.equal("problem", found["host policies"].state)
    assert.matches("broken.lua:", found["host policies"].text, 1, true)
    assert.equal("warning", found["host qemu-img"].state)
    assert.equal(69, result.code)
  end)
end)
