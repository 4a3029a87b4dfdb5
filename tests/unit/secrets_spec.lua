-- Where a password or a token must not turn up: core files, command lines, whatever prints. No network.

local clouds = require "siphon.clouds"
local core = require "siphon.core"
local json = require "siphon.json"
local qemu = require "siphon.qemu"

local SECRET = "corre-ct-horse"

local function shell(line)
  local pipe <close> = assert(io.popen("( " .. line .. " ) 2>&1"))
  return (pipe:read "a")
end

describe("a secret", function()
  it("is in no core file, since the command writes none", function()
    local program = shell("readlink -f " .. (os.getenv "SIPHON" or "build/siphon")):match "%S+"
    local directory = shell "mktemp -d":match "%S+"
    finally(function() os.execute("rm -rf " .. directory) end)
    local script <close> = assert(io.open(directory .. "/die.lua", "w"))
    script:write [[os.execute "kill -SEGV $PPID"]]
    script:close()
    local function cores_of(line)
      return shell(("cd %s && ulimit -c unlimited && %s >/dev/null 2>&1; ls | grep -c ^core"):format(directory, line)):match "%d+"
    end
    assert.equal("0", cores_of(program .. " run die.lua"))
    -- Where the system keeps them in the current directory, others do leave one.
    if shell "cat /proc/sys/kernel/core_pattern":find "^core" then
      assert.are_not.equal("0", cores_of "sh -c 'kill -SEGV $$'")
    end
  end)

  it("is on no command line: what qemu-img is told names the keyring, not the key", function()
    local cluster = { id = "siphon", setting = function(_, name)
      return ({ mon_host = "192.0.2.1:6789", keyring = "/etc/ceph/keyring", key = SECRET, keyfile = SECRET })[name]
    end }
    local url = qemu.url({ name = "volumes", namespace = "", cluster = cluster }, "vm1", "snap", "/etc/ceph/ceph.conf")
    assert.truthy(url:find("keyring=", 1, true))
    assert.is_nil(url:find(SECRET, 1, true))
  end)

  it("is not on a job's record, though the caller gave the cloud with the copy", function()
    local cloud = { auth_type = "admin_token", auth = { endpoint = "http://h:9292", token = SECRET } }
    local record = require "siphon.request".record {
      source = "volumes/vm1", target = "glance:x", os_cloud = cloud, os_service_cloud = cloud, properties = { a = "b" },
    }
    assert.same({ source = "volumes/vm1", target = "glance:x", properties = { a = "b" } }, record)
    assert.equal("prod", require "siphon.request".record { os_cloud = "prod" }.os_cloud)
  end)

  it("is in nothing that prints or encodes what holds it", function()
    local variables = { OS_AUTH_URL = "http://k", OS_USERNAME = "u", OS_PASSWORD = SECRET, OS_PROJECT_NAME = "p" }
    local cloud = assert(clouds.open { getenv = function(name) return variables[name] end })
    local secret = cloud.auth.password
    assert.equal(SECRET, secret:reveal())
    assert.is_nil(cloud.settings.auth.password)
    for _, text in ipairs { tostring(secret), tostring(cloud.auth), ("%s"):format(secret) } do
      assert.is_nil(text:find(SECRET, 1, true))
    end
    assert.is_false((pcall(json.encode, { secret })))
    assert.is_false((pcall(function() return secret .. "" end)))
    local err = core.error { code = "x", message = tostring(secret), where = { url = tostring(secret) } }
    assert.is_nil(json.encode(require "siphon.errors".plain(err)):find(SECRET, 1, true))
  end)
end)
