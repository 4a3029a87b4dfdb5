-- Copies as the users that a cloud has: who may, who may not, and what happens to tokens on the way.

local bed = require "support.keystone_bed"
local command = require "support.command"
local core = require "siphon.core"
local json = require "siphon.json"

local BUILD = os.getenv "SIPHON_BUILD" or "build"

describe("siphon copy with a Keystone", function()
  local made
  setup(function()
    bed.up()
    made = bed.collector()
  end)
  teardown(function() made.clean() end)

  local function assert_copied(done, source, user)
    assert.equal("job.done", done.event, done.error and done.error.message)
    made.image(done.image_id)
    assert.equal("active", assert(bed.client(user):show(done.image_id)).status)
    assert.equal(bed.md5(source), bed.glance_md5(user, done.image_id))
  end

  for cloud, user in pairs { demo = "demo", appcred = "demo", reader = "reader", other = "other" } do
    it(("works as %s: the image is that project's"):format(cloud), function()
      local source = made.volume()
      local done = bed.copy(cloud, source, "glance:as-" .. cloud)
      assert_copied(done, source, user)
      local project = bed.identity("GET", "/projects?name=" .. (user == "other" and "other" or "demo")).projects[1].id
      assert.equal(project, bed.client(user):show(done.image_id).owner)
    end)
  end

  it("works as an admin, who need not name the pool, and may choose the owner", function()
    local source = made.volume()
    local project = bed.identity("GET", "/projects?name=other").projects[1].id
    local result = bed.run("admin", { "copy", source, "glance:owned", "--owner", project, "--visibility", "public", "--json" })
    assert.equal(0, result.code, result.err)
    local id = made.image(result.out:match '"image_id":"([^"]+)"')
    local image = bed.client("other"):show(id)
    assert.same({ project, "public" }, { image.owner, image.visibility })
  end)

  local function copied(env, name, ...)
    local source = made.volume()
    local result = bed.run(nil, { "copy", source, "glance:" .. name, "--pool", "images", "-q", ... }, env)
    assert.equal("", result.err)
    local image = bed.client("admin"):list({ name = name })[1]
    made.image(image.id)
    assert.equal("active", image.status)
    assert.equal(bed.md5(source), bed.glance_md5("admin", image.id))
    return image
  end

  it("works for the whole system, for whichever project is named", function()
    local project = bed.identity("GET", "/projects?name=other").projects[1].id
    local env = bed.variables("admin", { OS_PROJECT_NAME = false, OS_SYSTEM_SCOPE = "all" })
    assert.equal(project, copied(env, "by-system", "--owner", project).owner)
  end)

  it("works by a trust: the image is that of the project that the trust is for", function()
    local demo = assert(bed.cloud "demo")
    local token = assert(demo.auth:token())
    local project, trustor = demo.auth.current.project.id, bed.identity("GET", "/users?name=demo").users[1].id
    local trustee = bed.identity("GET", "/users?name=other").users[1].id
    local answer = assert(core.http.request {
      method = "POST", url = bed.keystone .. "/OS-TRUST/trusts",
      headers = { ["X-Auth-Token"] = token, ["Content-Type"] = "application/json" },
      body = json.encode { trust = { trustor_user_id = trustor, trustee_user_id = trustee, project_id = project,
        impersonation = true, roles = { { name = "member" } } } },
    })
    assert.equal(201, answer.status, answer.body)
    local id = json.decode(answer.body).trust.id
    local env = bed.variables("other", { OS_PROJECT_NAME = false, OS_TRUST_ID = id })
    assert.equal(project, copied(env, "by-trust").owner)
    assert(core.http.request { method = "DELETE", url = bed.keystone .. "/OS-TRUST/trusts/" .. id,
      headers = { ["X-Auth-Token"] = token } })
    local result = bed.run(nil, { "copy", made.volume(), "glance:no-trust", "--pool", "images", "-q" }, env)
    assert.equal(77, result.code, result.err)
    assert.truthy(result.err:find("trust '" .. id .. "'", 1, true), result.err)
  end)

  it("works from OS_* alone", function()
    local source = made.volume()
    local env = bed.variables "demo"
    env.OS_AUTH_TYPE, env.OS_REGION_NAME = "password", "RegionOne"
    local result = bed.run(nil, { "copy", source, "glance:env", "--pool", "images", "-q" }, env)
    assert.equal("", result.err)
    local image = bed.client("demo"):list({ name = "env" })[1]
    made.image(image.id)
    assert.equal("active", image.status)
  end)

  describe("with an identity that is ready", function()
    local function token() return assert(bed.client("demo").auth:token()):reveal() end

    it("works from the command line, whatever else is set", function()
      copied({ OS_CLOUD = "missing" }, "by-token", "--os-endpoint", bed.url, "--os-token", token())
      local result = bed.run(nil, { "plan", "volumes/missing", "glance:x", "--os-token", token() })
      assert.equal(64, result.code)
      assert.matches("%-%-os%-token goes with %-%-os%-endpoint", result.err)
    end)

    it("works for a host of libsiphon", function()
      local source = made.volume()
      local output = command.shell(("ASAN_OPTIONS=detect_leaks=1 CEPH_CONF=%s CEPH_ARGS='%s' %s/test/plugin-host "
        .. "%s/lib/libsiphon.so copy %s"):format(bed.env.CEPH_CONF, bed.env.CEPH_ARGS, BUILD, BUILD, command.quote(json.encode {
          source = source, target = "glance:by-host", pool = "images",
          os_cloud = { auth_type = "admin_token", auth = { endpoint = bed.url, token = token() } },
        })))
      local id = made.image(assert(json.decode(output:match "^[^\n]+").image_id, output))
      assert.equal(bed.md5(source), bed.glance_md5("demo", id))
    end)
  end)

  describe("whose token is revoked in mid-job", function()
    -- Glance keeps what it learned of a token for five minutes, unless told otherwise.
    setup(function() bed.set_glance "keystone_authtoken.token_cache_time=-1" end)
    teardown(function() bed.set_glance() end)

    local function copy(over, given)
      local cloud = assert(bed.cloud("demo", over))
      local client = assert(require "siphon.clouds".connect(cloud))
      local source, revoked = made.volume(), nil
      local result, err = require "siphon.copy".copy {
        source = source, target = "glance:revoked", pool = "images", glance = client, conf = bed.env.CEPH_CONF, id = "siphon",
        on_event = function(e)
          if e.step == "target.copy" and e.state == "done" then
            revoked = cloud.auth.current.secret
            bed.revoke(revoked)
            if given then bed.revoke(given) end
          end
        end,
      }
      assert.is_userdata(revoked)
      return source, result, err, cloud.auth.current and cloud.auth.current.secret ~= revoked
    end

    it("gets a new one and goes on", function()
      local source, result, err, renewed = copy()
      assert.is_nil(err)
      assert.is_true(renewed)
      made.image(result.image_id)
      assert.equal(bed.md5(source), bed.glance_md5("demo", result.image_id))
    end)

    it("ends with a clear error, and undoes what it can, when no new one can be had", function()
      local token = assert(assert(bed.cloud "demo").auth:token())
      local source, result, err = copy({ OS_AUTH_TYPE = "v3token", OS_TOKEN = token:reveal(), OS_USERNAME = false,
        OS_PASSWORD = false }, token)
      assert.is_nil(result)
      assert.equal("keystone.unauthorized", err.code)
      assert.truthy(err.message:find("OS_TOKEN", 1, true))
      -- What only Glance could undo is named; what lies in the cluster is gone.
      local id = err.message:match "left behind: Glance image ([%x-]+)"
      assert.is_string(id, err.message)
      assert.equal("", bed.rbd("snap ls " .. source))
      -- It stays on record until somebody comes with a token.
      local undone = bed.run(nil, { "undo", err.message:match "`siphon undo (%S+)`", "-q" }, bed.variables "demo")
      assert.equal(0, undone.code, undone.err)
      assert.is_nil(bed.client("demo"):show(id))
    end)
  end)

  it("says what is wrong before anything is done", function()
    local source = made.volume()
    local function refused(code, text, over, ...)
      local env = bed.variables("demo", over)
      local result = bed.run(nil, { "copy", source, "glance:refused", "--pool", "images", "-q", ... }, env)
      assert.equal(code, result.code, result.err)
      assert.truthy(result.err:find(text, 1, true), result.err)
      assert.is_nil((result.err .. result.out):find(bed.env.TESTBED_DEMO_PASSWORD, 1, true))
    end
    refused(77, "keystone.unauthorized", { OS_PASSWORD = "wrong" })
    refused(77, "did you mean 'demo'?", { OS_PROJECT_NAME = "demo2" })
    refused(78, "regions: RegionOne", { OS_REGION_NAME = "RegionTwo" })
    refused(69, "http.connect", { OS_AUTH_URL = "http://127.0.0.1:9" })
    refused(78, "OS_AUTH_TYPE", { OS_AUTH_TYPE = "v3kerberos" })
    refused(78, "has no cloud 'nope'", nil, "--os-cloud", "nope")
    refused(77, "visibility=public", nil, "--visibility", "public")
  end)
end)
