-- Tokens, scopes and the catalog of a real Keystone, and what its refusals read like.

local bed = require "support.keystone_bed"
local clouds = require "siphon.clouds"

describe("siphon.keystone on a real Keystone", function()
  setup(bed.up)

  local function connect(user, over)
    local cloud, err = bed.cloud(user, over)
    if not cloud then return nil, err end
    local client, problem = clouds.connect(cloud)
    return client and cloud, problem or client
  end

  local function refused(code, user, over, ...)
    local cloud, err = connect(user, over)
    assert.is_nil(cloud)
    assert.equal(code, err.code)
    for _, expected in ipairs { ... } do assert.truthy(err.message:find(expected, 1, true), err.message) end
    assert.is_nil(tostring(err):find(bed.env.TESTBED_DEMO_PASSWORD, 1, true))
    return err
  end

  it("takes a password, by the user's name or id", function()
    local cloud = assert(connect "demo")
    assert.same({ "member", "reader" }, { table.unpack((function(t) table.sort(t) return t end)(cloud.auth:roles())) })
    local id = bed.identity("GET", "/users?name=demo").users[1].id
    assert(connect("demo", { OS_USERNAME = false, OS_USER_ID = id }))
  end)

  it("takes domains by name, by id, and once for user and project", function()
    assert(connect("demo", { OS_USER_DOMAIN_NAME = "Default", OS_PROJECT_DOMAIN_ID = "default" }))
    assert(connect("demo", { OS_DOMAIN_NAME = "Default" }))
    refused("keystone.unauthorized", "demo", { OS_USER_DOMAIN_NAME = "Nowhere" })
  end)

  it("takes an application credential, by id or by name, and asks for no scope with it", function()
    local secret = bed.env.TESTBED_APPCRED_SECRET
    local given = { OS_AUTH_TYPE = "v3applicationcredential", OS_APPLICATION_CREDENTIAL_SECRET = secret, OS_PASSWORD = false }
    given.OS_APPLICATION_CREDENTIAL_ID = bed.env.TESTBED_APPCRED_ID
    local cloud = assert(connect("demo", given))
    assert.same({ "member" }, cloud.auth:roles())
    given.OS_APPLICATION_CREDENTIAL_ID, given.OS_APPLICATION_CREDENTIAL_NAME = nil, "siphon"
    assert(connect("demo", given))
  end)

  it("exchanges a token", function()
    local token = assert(bed.client("demo").auth:token()):reveal()
    local given = { OS_AUTH_TYPE = "v3token", OS_TOKEN = token, OS_USERNAME = false, OS_PASSWORD = false }
    local cloud, client = connect("demo", given)
    assert.are_not.equal(token, cloud.auth:token():reveal())
    assert(client:list { max = 1 })
    given.OS_TOKEN = "gAAAAABnonsense"
    refused("keystone.unauthorized", "demo", given, "openstack token issue")
  end)

  it("takes the scope of a domain, of the system, and none", function()
    local admin = assert(bed.cloud("admin", { OS_PROJECT_NAME = false, OS_SYSTEM_SCOPE = "all" }))
    assert(admin.auth:token())
    refused("keystone.project", "demo", { OS_PROJECT_NAME = false, OS_DOMAIN_ID = "default" }, "domain 'default'")
    refused("keystone.scope", "demo", { OS_PROJECT_NAME = false }, "OS_PROJECT_NAME")
    local unscoped = assert(bed.cloud("demo", { OS_PROJECT_NAME = false, OS_IMAGE_ENDPOINT_OVERRIDE = bed.url }))
    assert.equal(bed.url, unscoped:endpoint "image")
  end)

  it("finds v3 behind every auth URL that people write", function()
    local root = bed.keystone:gsub("/v3$", "")
    for _, url in ipairs { root, root .. "/", root .. "/v3", root .. "/v3/", root .. "/v2.0" } do
      assert(connect("demo", { OS_AUTH_URL = url }))
    end
  end)

  it("finds Glance by interface and region", function()
    assert.equal(bed.url, assert(bed.cloud("demo", { OS_INTERFACE = "internal" })):endpoint "image")
    assert.equal(bed.url, assert(bed.cloud("demo", { OS_ENDPOINT_TYPE = "publicURL" })):endpoint "image")
    assert.equal(bed.url, assert(bed.cloud("demo", { OS_REGION_NAME = "RegionOne" })):endpoint "image")
    refused("keystone.catalog", "demo", { OS_REGION_NAME = "RegionTwo" }, "RegionTwo", "regions: RegionOne")
    refused("keystone.catalog", "demo", { OS_INTERFACE = "backstage" }, "interfaces: admin, internal, public")
    local endpoint, err = assert(bed.cloud "demo"):endpoint "object-store"
    assert.is_nil(endpoint)
    assert.truthy(err.message:find("only: identity, image", 1, true), err.message)
  end)

  it("tells a wrong password from a project that the user has no role in", function()
    refused("keystone.unauthorized", "demo", { OS_PASSWORD = "wrong" }, "401", "OS_PASSWORD")
    refused("keystone.unauthorized", "demo", { OS_USERNAME = "nobody" }, "user 'nobody'")
    refused("keystone.project", "demo", { OS_PROJECT_NAME = "demoo" }, "only in: demo", "did you mean 'demo'?")
    refused("keystone.project", "demo", { OS_PROJECT_NAME = "other" }, "project 'other'")
    refused("keystone.unauthorized", "demo", { OS_AUTH_TYPE = "v3applicationcredential", OS_PASSWORD = false,
      OS_APPLICATION_CREDENTIAL_ID = bed.env.TESTBED_APPCRED_ID, OS_APPLICATION_CREDENTIAL_SECRET = "wrong" },
      "openstack application credential list")
  end)

  it("says when the auth URL is none", function()
    local root = bed.keystone:gsub("/v3$", "")
    refused("keystone.not_found", "demo", { OS_AUTH_URL = root .. "/elsewhere" }, "OS_AUTH_URL")
    refused("keystone.version", "demo", { OS_AUTH_URL = bed.url }, "no v3")
    refused("http.connect", "demo", { OS_AUTH_URL = "http://127.0.0.1:9" }, "Connection refused", "OS_AUTH_URL")
  end)

  it("gets a new token when the one at hand is revoked, once for all who ask at the time", function()
    local core = require "siphon.core"
    local cloud, client = connect "demo"
    local old = assert(cloud.auth:token())
    bed.revoke(old)
    local answers = {}
    core.task.scope(function()
      for i = 1, 3 do core.task.spawn(function() answers[i] = assert(client:list { max = 1 }) end) end
    end)
    assert.equal(3, #answers)
    local new = assert(cloud.auth:token())
    assert.are_not.equal(old, new)
    assert.is_true(cloud.auth:invalidate(old))
    assert.equal(new, cloud.auth:token())
  end)

  it("asks anew with a token that was given for as long as that is good", function()
    local given = assert(bed.cloud("demo").auth:token())
    local cloud, client = connect("demo", { OS_AUTH_TYPE = "v3token", OS_USERNAME = false, OS_PASSWORD = false,
      OS_TOKEN = given:reveal() })
    bed.revoke(assert(cloud.auth:token()))
    assert(client:list { max = 1 })
    bed.revoke(assert(cloud.auth:token()))
    bed.revoke(given)
    cloud.auth:invalidate()
    local list, err = client:list { max = 1 }
    assert.is_nil(list)
    assert.equal("keystone.unauthorized", err.code)
    assert.truthy(err.message:find("OS_TOKEN", 1, true))
  end)
end)
