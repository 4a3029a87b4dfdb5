--- A bed with a Keystone, for the specs that need users, roles and tokens: one for the whole run, beside the bed that the
-- other specs share, and gone at its end. When the bed of the environment has a Keystone already, that one is used.

local command = require "support.command"
local core = require "siphon.core"
local json = require "siphon.json"
local servers = require "support.servers"

local bed = {}

local MIB = 1 << 20

local function directory()
  return ("%s/keystone-%d"):format(os.getenv "TMPDIR" or "/tmp", core.system.pid())
end

local function read_env(text)
  local env = {}
  for name, value in text:gmatch "export ([%w_]+)='([^'\n]*)'" do env[name] = value end
  return env
end

local function testbed(verb, ...)
  return command.shell(table.concat({ "tests/testbed/testbed", verb, "--dir", bed.directory, ... }, " "))
end

local function down()
  if command.shell(("ls -d %s 2>/dev/null || true"):format(bed.directory)) ~= "" then testbed "down" end
end

--- Brings it up, unless it is; every spec's setup calls it. `...`: what `testbed up` takes besides ("--cinder").
function bed.up(...)
  bed.directory = os.getenv "TESTBED_KEYSTONE_URL" and os.getenv "TESTBED_DIR" or directory()
  if not os.getenv "TESTBED_KEYSTONE_URL" then
    require "busted".subscribe({ "suite", "end" }, down)
    testbed("up", "--keystone", "--osds", "2", "--osd-size", "4G", ...)
  end
  bed.env = read_env(testbed "env")
  bed.url, bed.keystone = bed.env.TESTBED_GLANCE_URL, bed.env.TESTBED_KEYSTONE_URL
end

local function restart(service, settings)
  local words = { service }
  for _, setting in ipairs(settings) do words[#words + 1] = "--set " .. command.quote(setting) end
  testbed(table.unpack(words))
end

--- Restarts Glance with these settings instead of the bed's ("section.key=value"), or with none of them.
function bed.set_glance(...) restart("glance", { ... }) end

--- The same for Keystone, and for Cinder on a bed that has one.
function bed.set_keystone(...) restart("keystone", { ... }) end
function bed.set_cinder(...) restart("cinder", { ... }) end

-- --- siphon on it
-- --------------------------------------------------------------------------------------------------

-- What a command on this bed sees of OpenStack: nothing but what is given, and where its clouds.yaml is.
local function environment(over)
  local env = {
    CEPH_CONF = bed.env.CEPH_CONF, CEPH_ARGS = bed.env.CEPH_ARGS, OS_CLIENT_CONFIG_FILE = bed.env.OS_CLIENT_CONFIG_FILE,
  }
  for name, value in pairs(over or {}) do env[name] = value end
  return env
end

-- The environment of the specs' own run is that of another bed.
local CLEAN = "env -u OS_AUTH_TYPE -u OS_AUTH_URL -u OS_ENDPOINT -u OS_TOKEN -u OS_USERNAME -u OS_PASSWORD -u OS_PROJECT_NAME "
  .. "-u OS_REGION_NAME -u OS_CLOUD -u OS_USER_DOMAIN_NAME -u OS_PROJECT_DOMAIN_NAME"

--- Starts `siphon` there, as a cloud of the bed's clouds.yaml ("demo", "reader", "other", "service", "admin", "appcred").
function bed.start(cloud, arguments, env)
  local words = table.move(arguments, 1, #arguments, 1, {})
  if cloud then table.move({ "--os-cloud", cloud }, 1, 2, #words + 1, words) end
  local names = {}
  for name, value in pairs(environment(env)) do names[#names + 1] = name .. "=" .. command.quote(value) end
  return command.start(words, { prefix = CLEAN .. " " .. table.concat(names, " ") })
end

function bed.run(cloud, arguments, env)
  return bed.start(cloud, arguments, env):wait()
end

--- Copies with --json as that cloud; returns the last event and all of them.
function bed.copy(cloud, source, target, ...)
  local result = bed.run(cloud, { "copy", source, target, "--pool", "images", "--json", ... })
  local events = command.events(result.out)
  return events[#events], events, result
end

-- --- volumes
-- -------------------------------------------------------------------------------------------------------

local function rbd(line)
  return command.shell(("CEPH_CONF=%s CEPH_ARGS='%s' rbd %s"):format(bed.env.CEPH_CONF, bed.env.CEPH_ARGS, line))
end
bed.rbd = rbd

local counter = 0

--- A volume of `size` MiB (default 8) of random data; its spec.
function bed.volume(size)
  counter = counter + 1
  local spec = ("volumes/ks-%d-%d"):format(core.system.pid(), counter)
  command.shell(("head -c %d /dev/urandom | CEPH_CONF=%s CEPH_ARGS='%s' rbd --no-progress import - %s"):format(
    (size or 8) * MIB, bed.env.CEPH_CONF, bed.env.CEPH_ARGS, spec))
  return spec
end

function bed.remove(spec)
  rbd("rm --no-progress " .. spec)
end

--- What a tool of coreutils ("sha512sum") says of what `rbd export` gives.
function bed.sum(spec, tool)
  return (command.shell(("CEPH_CONF=%s CEPH_ARGS='%s' rbd --no-progress export %s - | %s"):format(bed.env.CEPH_CONF,
    bed.env.CEPH_ARGS, spec, tool)):match "^%x+")
end

function bed.md5(spec)
  return bed.sum(spec, "md5sum")
end

-- --- Keystone and Glance by hand
-- -----------------------------------------------------------------------------------

--- What clouds.open takes for its getenv: exactly these variables.
function bed.getenv(variables)
  return function(name) return variables[name] end
end

--- The settings of a user by OS_*, with `over` laid on top (false: unset).
function bed.variables(user, over)
  local prefix = "TESTBED_" .. user:upper() .. "_"
  local variables = {
    OS_AUTH_URL = bed.keystone, OS_USERNAME = bed.env[prefix .. "USERNAME"], OS_PASSWORD = bed.env[prefix .. "PASSWORD"],
    OS_PROJECT_NAME = bed.env[prefix .. "PROJECT_NAME"],
  }
  for name, value in pairs(over or {}) do variables[name] = value or nil end
  return variables
end

--- A cloud as these variables describe it.
function bed.cloud(user, over)
  return require "siphon.clouds".open { getenv = bed.getenv(bed.variables(user, over)) }
end

local clients = {}

--- A Glance client as that user.
function bed.client(user)
  clients[user] = clients[user] or assert(require "siphon.clouds".connect(assert(bed.cloud(user))))
  return clients[user]
end

--- A call of Keystone as the admin; returns the decoded answer.
function bed.identity(method, path, value)
  local token = assert(bed.client("admin").auth:token())
  local response = assert(core.http.request {
    method = method, url = bed.keystone .. path, body = value and json.encode(value),
    headers = { ["X-Auth-Token"] = token, ["Content-Type"] = value and "application/json" },
  })
  assert(response.status < 300, response.status)
  return response.body ~= "" and json.decode(response.body) or nil
end

--- Revokes a token (a Secret) as the admin.
function bed.revoke(token)
  local response = assert(core.http.request {
    method = "DELETE", url = bed.keystone .. "/auth/tokens",
    headers = { ["X-Auth-Token"] = assert(bed.client("admin").auth:token()), ["X-Subject-Token"] = token },
  })
  assert(response.status == 204, response.status)
end

local Fake = {}
Fake.__index = Fake

--- Starts a fake of tests/support that asks the bed's Keystone who its callers are, with these options: { url, directory }
-- and stop(), after which nothing is left of it.
function bed.fake(script, options)
  options.keystone = bed.keystone
  options.admin = { name = "admin", project = "admin", password = bed.env.TESTBED_ADMIN_PASSWORD }
  local self = setmetatable({ directory = servers.temporary_directory() }, Fake)
  local pipe = assert(io.popen(("/usr/bin/python3 -B tests/support/%s %s/port %d %s >/dev/null 2>%s/log & echo $!"):format(
    script, self.directory, core.system.pid(), command.quote(json.encode(options)), self.directory)))
  self.pid = pipe:read "n"
  pipe:close()
  for _ = 1, 300 do
    local port = servers.read_file(self.directory .. "/port")
    if port then
      self.url = "http://127.0.0.1:" .. port
      return self
    end
    core.task.sleep(0.1)
  end
  error("the fake did not start: " .. (servers.read_file(self.directory .. "/log") or ""))
end

function Fake:stop()
  os.execute(("kill %d; rm -rf %s"):format(self.pid, self.directory))
end

--- The MD5 of an image's data as Glance gives it.
function bed.glance_md5(user, id)
  local path = os.tmpname()
  assert(bed.client(user):download(id, { file = path }))
  local sum = command.shell("md5sum <" .. path):match "^%x+"
  os.remove(path)
  return sum
end

function bed.delete_image(id)
  local client = bed.client "admin"
  client:update(id, { { op = "replace", path = "/protected", value = false } })
  client:delete(id)
end

--- Everything that the bed holds, as one text.
function bed.inventory()
  local lines = {}
  for _, pool in ipairs { "volumes", "images" } do
    for name in rbd("ls " .. pool .. " 2>/dev/null"):gmatch "%S+" do
      lines[#lines + 1] = pool .. "/" .. name .. " " .. rbd(("snap ls --format json %s/%s"):format(pool, name))
    end
  end
  for _, image in ipairs(assert(bed.client("admin"):list())) do lines[#lines + 1] = image.id .. " " .. image.status end
  return table.concat(lines, "\n")
end

--- Collects what a spec makes; clean() removes it and checks that nothing else is left.
function bed.collector()
  local self = { volumes = {}, images = {}, before = bed.inventory() }
  function self.volume(...)
    local spec = bed.volume(...)
    table.insert(self.volumes, spec)
    return spec
  end
  function self.image(id)
    table.insert(self.images, id)
    return id
  end
  function self.clean()
    for _, id in ipairs(self.images) do bed.delete_image(id) end
    for _, spec in ipairs(self.volumes) do bed.remove(spec) end
    assert(self.before == bed.inventory(), "left behind:\n" .. bed.inventory())
  end
  return self
end

return bed
