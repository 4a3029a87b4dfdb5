-- Which cloud is meant and what is known of it: clouds.yaml, OS_*, and which of them counts. No network.

local clouds = require "siphon.clouds"

local homes = {}

-- A directory with these files in what stands for ~/.config/openstack.
local function configuration(files)
  local pipe = assert(io.popen "mktemp -d")
  local home = pipe:read "l"
  pipe:close()
  homes[#homes + 1] = home
  os.execute(("mkdir -p %s/.config/openstack"):format(home))
  for name, text in pairs(files) do
    local file <close> = assert(io.open(home .. "/.config/openstack/" .. name, "w"))
    file:write(text)
  end
  return home
end

-- Opens a cloud with these variables and files and no others.
local function open(env, files, options)
  env = setmetatable({}, { __index = env })
  if files then rawset(env, "HOME", configuration(files)) end
  options = options or {}
  options.getenv = function(name) return env[name] end
  return clouds.open(options)
end

local function refused(env, files, options, ...)
  local cloud, err = open(env, files, options)
  assert.is_nil(cloud)
  assert.equal("clouds.config", err.code)
  for _, expected in ipairs { ... } do assert.truthy(err.message:find(expected, 1, true), err.message) end
  return err
end

-- `over` laid on what a user with a password has.
local function user(over)
  return setmetatable(over or {}, { __index = { OS_AUTH_URL = "http://k:5000", OS_USERNAME = "u", OS_PASSWORD = "s3cret" } })
end

local YAML = [[
clouds:
  prod:
    auth:
      auth_url: https://prod:5000/v3
      username: op
      password: 0123
      project_name: images
    region_name: One
    cacert: ~/ca.pem
  lab:
    auth_type: none
    auth: { endpoint: "http://lab:9292" }
]]

-- One cloud without Keystone.
local function lone(endpoint, more)
  return ("clouds: {c: {auth_type: none, auth: {endpoint: '%s'}%s}}"):format(endpoint, more or "")
end

describe("siphon.clouds.open", function()
  teardown(function()
    for _, home in ipairs(homes) do os.execute("rm -rf " .. home) end
  end)

  describe("given by the caller", function()
    local OTHERS = { OS_CLOUD = "prod", OS_REGION_NAME = "Two", OS_AUTH_URL = "http://k:5000", OS_TOKEN = "t", OS_CACERT = "/x" }

    local function given(cloud, more)
      local options = { cloud = cloud }
      for key, value in pairs(more or {}) do options[key] = value end
      return open(OTHERS, { ["clouds.yaml"] = YAML }, options)
    end

    it("is that, whatever else there is", function()
      local mine = { auth_type = "admin_token", auth = { endpoint = "http://h:9292", token = "s3cret" }, cacert = "/ca" }
      local cloud = assert(given(mine))
      assert.equal("http://h:9292", cloud:endpoint "image")
      assert.equal("s3cret", cloud.auth:token():reveal())
      assert.same({ "/ca", false }, { cloud.ca_file, cloud.insecure })
      assert.equal("s3cret", mine.auth.token) -- the caller's is as it was
      assert.is_nil(cloud.settings.region_name)
    end)

    it("may be one with a Keystone, a region, and Secrets", function()
      local cloud = assert(given({ region_name = "One", insecure = true, auth = { auth_url = "http://k/v3", username = "u",
        password = require "siphon.core".secret "s3cret", project_name = "p" } }, { interface = "internal" }))
      assert.same({ "password", "p", "One", true, "internal" }, { cloud.auth.kind, cloud.auth.project_name,
        cloud.settings.region_name, cloud.insecure, cloud.settings.interface })
      assert.equal("s3cret", cloud.auth.password:reveal())
    end)

    it("may be the one that vouches", function()
      local lab = { auth_type = "none", auth = { endpoint = "http://h:9292" } }
      local vouching = { auth = { auth_url = "http://k", username = "cinder", password = "s3cret" } }
      assert.equal("cinder", assert(given(lab, { service_cloud = vouching })).service_auth.username)
    end)

    it("is told what it lacks", function()
      local function lacks(text, cloud)
        local got, err = given(cloud)
        assert.is_nil(got)
        assert.same({ "clouds.config", true }, { err.code, err.message:find(text, 1, true) ~= nil }, err.message)
      end
      lacks("admin_token needs 'token' of the cloud that is given", { auth_type = "admin_token", auth = { endpoint = "http://h" } })
      lacks("needs 'endpoint' of the cloud that is given", { auth_type = "admin_token", auth = { token = "t" } })
      lacks("should be admin_token", { auth = { endpoint = "http://h", token = "t" } })
      lacks("'auth' of the cloud that is given is no table", { auth = "t" })
      lacks("'username' of the cloud that is given is no text",
        { auth = { auth_url = "http://k", username = require "siphon.core".secret "u", password = "p" } })
    end)
  end)

  describe("from OS_*", function()
    it("takes a Glance without Keystone", function()
      local cloud = assert(open { OS_AUTH_TYPE = "none", OS_ENDPOINT = "http://h:9292" })
      assert.equal("http://h:9292", cloud:endpoint "image")
      assert.is_nil(cloud.auth:token())
      assert.is_false(cloud.insecure)
    end)

    it("takes a token as it is", function()
      for _, kind in ipairs { "none", "admin_token", "token_endpoint" } do
        local cloud = assert(open { OS_AUTH_TYPE = kind, OS_ENDPOINT = "http://h:9292", OS_TOKEN = "s3cret" })
        assert.equal("<secret>", tostring(cloud.auth:token()))
        assert.equal("s3cret", cloud.auth:token():reveal())
        assert.is_false(cloud.auth:invalidate())
      end
    end)

    it("takes a password, an application credential, and a token for Keystone", function()
      assert.equal("password", assert(open(user())).auth.kind)
      assert.equal("password", assert(open(user { OS_AUTH_TYPE = "v3password" })).auth.kind)
      assert.equal("token", assert(open(user { OS_AUTH_TYPE = "v3token", OS_TOKEN = "t" })).auth.kind)
      assert.equal("application_credential", assert(open(user { OS_AUTH_TYPE = "v3applicationcredential",
        OS_APPLICATION_CREDENTIAL_ID = "i", OS_APPLICATION_CREDENTIAL_SECRET = "s" })).auth.kind)
    end)

    it("keeps secrets to itself", function()
      local cloud, seen = assert(open(user())), {}
      local function search(value)
        assert.are_not.equal("s3cret", value)
        if type(value) ~= "table" or seen[value] then return end
        seen[value] = true
        for key, item in pairs(value) do
          search(key)
          search(item)
        end
      end
      search(cloud)
      assert.is_nil(tostring(cloud.auth):find("s3cret", 1, true))
    end)

    it("reads the older names", function()
      local cloud = assert(open(user { OS_TENANT_NAME = "t", OS_ENDPOINT_TYPE = "internalURL" }))
      assert.equal("t", cloud.auth.project_name)
      assert.equal("internalURL", cloud.settings.interface)
    end)

    it("gives user and project the domain that is named once", function()
      local spread = assert(open(user { OS_PROJECT_NAME = "t", OS_DOMAIN_NAME = "d" })).auth
      assert.same({ "d", "d" }, { spread.user_domain_name, spread.project_domain_name })
      assert.is_nil(spread.domain_name)
      local own = assert(open(user { OS_PROJECT_NAME = "t", OS_DOMAIN_NAME = "d", OS_USER_DOMAIN_ID = "x" })).auth
      assert.same({ "x", "d" }, { own.user_domain_id, own.project_domain_name })
      assert.is_nil(own.user_domain_name)
      local default = assert(open(user { OS_PROJECT_NAME = "t", OS_DEFAULT_DOMAIN = "dd" })).auth
      assert.same({ "dd", "dd" }, { default.user_domain_id, default.project_domain_id })
    end)

    it("lets the override of the endpoint go first", function()
      local override = { OS_IMAGE_ENDPOINT_OVERRIDE = "http://h:2" }
      assert.equal("http://h:2", assert(open(user(override))):endpoint "image")
      override.OS_AUTH_TYPE = "none"
      assert.equal("http://h:2", assert(open(override)):endpoint "image")
    end)

    it("knows how to trust", function()
      local cloud = assert(open(user { OS_CACERT = "/ca", OS_CERT = "/c", OS_KEY = "/k", OS_INSECURE = "True" }))
      for _, trusting in ipairs { cloud, cloud.auth } do
        assert.same({ "/ca", "/c", "/k", true },
          { trusting.ca_file, trusting.cert_file, trusting.key_file, trusting.insecure })
      end
    end)

    it("names what is missing", function()
      refused({}, {}, nil, "OS_CLOUD", "--os-cloud", "OS_AUTH_URL", "OS_AUTH_TYPE=none", "OS_ENDPOINT")
      refused({ OS_AUTH_TYPE = "" }, {}, nil, "no cloud is named")
      refused({ OS_AUTH_TYPE = "none" }, nil, nil, "OS_ENDPOINT", "Glance's URL")
      refused({ OS_AUTH_TYPE = "none", OS_ENDPOINT = "" }, nil, nil, "OS_ENDPOINT")
      refused({ OS_AUTH_TYPE = "admin_token", OS_ENDPOINT = "http://h" }, nil, nil, "OS_TOKEN")
      refused({ OS_AUTH_TYPE = "v3kerberos" }, nil, nil, "OS_AUTH_TYPE", "'v3kerberos' is not supported")
      refused({ OS_AUTH_URL = "http://k" }, nil, nil, "OS_USERNAME or OS_USER_ID")
      refused({ OS_AUTH_URL = "http://k", OS_USERNAME = "u" }, nil, nil, "OS_PASSWORD")
    end)

    it("guesses which OS_AUTH_TYPE was meant", function()
      refused({ OS_ENDPOINT = "http://h" }, nil, nil, "OS_AUTH_TYPE should be none")
      refused({ OS_ENDPOINT = "http://h", OS_TOKEN = "t" }, nil, nil, "OS_AUTH_TYPE should be admin_token")
      refused({ OS_AUTH_URL = "http://k", OS_TOKEN = "t" }, nil, nil, "OS_AUTH_TYPE should be v3token")
      refused({ OS_AUTH_URL = "http://k", OS_APPLICATION_CREDENTIAL_ID = "i", OS_APPLICATION_CREDENTIAL_SECRET = "s" },
        nil, nil, "OS_AUTH_TYPE should be v3applicationcredential")
    end)

    it("takes one scope", function()
      refused(user { OS_PROJECT_NAME = "x", OS_TRUST_ID = "y" }, nil, nil, "OS_PROJECT_NAME", "OS_TRUST_ID")
      refused(user { OS_SYSTEM_SCOPE = "some" }, nil, nil, "OS_SYSTEM_SCOPE", "'all'")
    end)
  end)

  describe("from clouds.yaml", function()
    it("takes the cloud that is named, by the caller before OS_CLOUD", function()
      local files = { ["clouds.yaml"] = YAML }
      assert.equal("lab", assert(open({ OS_CLOUD = "lab" }, files)).name)
      local cloud = assert(open({ OS_CLOUD = "lab" }, files, { cloud = "prod" }))
      assert.same({ "https://prod:5000/v3", "op", "images" },
        { cloud.auth.auth_url, cloud.auth.username, cloud.auth.project_name })
      assert.equal("0123", cloud.auth.password:reveal())
      assert.truthy(cloud.ca_file:find("^/.*/ca.pem$"))
    end)

    it("does not mix OS_* into a cloud that is named", function()
      local cloud = assert(open(user { OS_CLOUD = "prod", OS_INTERFACE = "admin" }, { ["clouds.yaml"] = YAML }))
      assert.equal("op", cloud.auth.username)
      assert.is_nil(cloud.settings.interface)
    end)

    it("counts OS_* as a cloud of its own, before the only one of the file", function()
      local files = { ["clouds.yaml"] = lone "http://only" }
      assert.equal("c", assert(open({}, files)).name)
      assert.equal("c", assert(open({ OS_REGION_NAME = "r" }, files)).name)
      local env = { OS_AUTH_TYPE = "none", OS_ENDPOINT = "http://env" }
      assert.equal("envvars", assert(open(env, files)).name)
      assert.equal("http://only", assert(open(env, files, { cloud = "c" })):endpoint "image")
      env.OS_CLOUD_NAME = "mine"
      assert.equal("http://env", assert(open(env, files, { cloud = "mine" })):endpoint "image")
    end)

    it("lists the clouds when none is named, and when another one is", function()
      refused({}, { ["clouds.yaml"] = YAML }, nil, "clouds.yaml", "lab, prod", "--os-cloud")
      refused({ OS_CLOUD = "prodd" }, { ["clouds.yaml"] = YAML }, nil, "prodd", "did you mean 'prod'?")
      refused({ OS_CLOUD = "prod" }, {}, nil, "there is no clouds.yaml", "~/.config/openstack")
    end)

    it("lays secure.yaml over it", function()
      local cloud = assert(open({ OS_CLOUD = "prod" }, { ["clouds.yaml"] = YAML,
        ["secure.yaml"] = "clouds: {prod: {auth: {password: better}}, other: {}}" }))
      assert.equal("better", cloud.auth.password:reveal())
      assert.equal("op", cloud.auth.username)
    end)

    it("looks for .yaml, then .yml, then .json, and where the variables say first", function()
      local json = '{"clouds": {"c": {"auth_type": "none", "auth": {"endpoint": "http://json"}}}}'
      local files = { ["clouds.yml"] = lone "http://yml", ["clouds.json"] = json }
      assert.equal("http://yml", assert(open({}, files)):endpoint "image")
      assert.equal("http://json", assert(open({}, { ["clouds.json"] = json })):endpoint "image")
      local path = configuration { ["x.yaml"] = lone "http://named" } .. "/.config/openstack/x.yaml"
      assert.equal("http://named", assert(open({ OS_CLIENT_CONFIG_FILE = path }, files)):endpoint "image")
    end)

    it("reads a profile of clouds-public.yaml below the cloud", function()
      local files = {
        ["clouds-public.yaml"] = "public-clouds: {vendor: {auth: {auth_url: 'https://{region_name}.v/v3'}, interface: admin}}",
        ["clouds.yaml"] = "clouds: {c: {profile: vendor, region_name: R, auth: {username: u, password: p}}}",
      }
      local cloud = assert(open({}, files))
      assert.equal("https://R.v/v3", cloud.auth.auth_url)
      assert.equal("admin", cloud.settings.interface)
      files["clouds-public.yaml"] = nil
      refused({}, files, nil, "profile 'vendor'", "auth_url")
    end)

    it("chooses among regions, and lays a region's values over the cloud's", function()
      local files = { ["clouds.yaml"] = lone("http://h",
        ", regions: [One, {name: Two, values: {image_endpoint_override: 'http://two'}}]") }
      assert.equal("One", assert(open({}, files)).settings.region_name)
      assert.equal("http://two", assert(open({}, files, { region_name = "Two" })):endpoint "image")
      assert.equal("http://two", assert(open({ OS_CLOUD = "c", OS_REGION_NAME = "Two" }, files)):endpoint "image")
      refused({}, files, { region_name = "Three" }, "'Three'", "regions: One, Two")
    end)

    it("names the setting, the cloud and the file when something is missing", function()
      refused({}, { ["clouds.yaml"] = "clouds: {c: {auth: {auth_url: 'http://k', username: u}}}" }, nil,
        "'password' of the cloud 'c'", "clouds.yaml")
    end)

    it("says where a file is broken, and never what stands there", function()
      for _, text in ipairs { "clouds: [", "clouds: {c: {auth: [", "\tclouds: s3cret" } do
        local err = refused({}, { ["clouds.yaml"] = text }, nil, "clouds.yaml")
        assert.is_nil(err.message:find("s3cret", 1, true), err.message)
      end
      for _, text in ipairs { "just text", "clouds: text", "clouds: {c: text}", "clouds: {c: {auth: text}}" } do
        refused({}, { ["clouds.yaml"] = text }, nil, "clouds.yaml")
      end
      refused({}, { ["clouds.yaml"] = "" }, nil, "no cloud is named")
      refused({}, { ["clouds.yaml"] = "clouds: {c: {auth_type: none, auth: {endpoint: {a: b}}}}" }, nil, "'endpoint'",
        "no text")
    end)

    it("takes verify and insecure as people write them", function()
      local function insecure(text)
        return assert(open({}, { ["clouds.yaml"] = lone("http://h", text) })).insecure
      end
      assert.is_false(insecure "")
      assert.is_false(insecure ", verify: true")
      assert.is_true(insecure ", verify: false")
      assert.is_true(insecure ", insecure: yes")
      assert.is_false(insecure ", insecure: 'no'")
    end)
  end)

  it("finds the identity that vouches, by the caller or by SIPHON_SERVICE_CLOUD", function()
    local files = { ["clouds.yaml"] = YAML }
    assert.is_nil(assert(open({}, files, { cloud = "lab" })).service_auth)
    assert.equal("op", assert(open({}, files, { cloud = "lab", service_cloud = "prod" })).service_auth.username)
    assert.equal("op", assert(open({ SIPHON_SERVICE_CLOUD = "prod", OS_CLOUD = "lab" }, files)).service_auth.username)
    refused({}, files, { cloud = "lab", service_cloud = "none" }, "'none'")
  end)

  it("knows no other services without a catalog", function()
    local cloud = assert(open { OS_AUTH_TYPE = "none", OS_ENDPOINT = "http://h" })
    local endpoint, err = cloud:endpoint "volumev3"
    assert.is_nil(endpoint)
    assert.truthy(err.message:find("volumev3", 1, true))
  end)

  it("knows its options", function()
    assert.is_false(pcall(clouds.open, { clowd = "x" }))
    assert.is_false(pcall(clouds.open, { cloud = 7 }))
  end)
end)

describe("siphon.clouds.connect", function()
  it("gives a client", function()
    local cloud = assert(open { OS_AUTH_TYPE = "none", OS_ENDPOINT = "http://h:9292/v2/" })
    assert.equal("http://h:9292", assert(clouds.connect(cloud)).endpoint)
  end)

  it("says when the endpoint is none", function()
    for _, endpoint in ipairs { "h:9292", "ftp://h", "http://", "http:// h", "http://h/?x=1", "http://h#f" } do
      local client, err = clouds.connect(assert(open { OS_AUTH_TYPE = "none", OS_ENDPOINT = endpoint }))
      assert.is_nil(client)
      assert.equal("clouds.config", err.code)
      assert.truthy(err.message:find("OS_ENDPOINT", 1, true))
    end
  end)
end)
