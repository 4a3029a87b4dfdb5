-- What siphon.keystone sends and what it makes of every kind of answer: a server that plays Keystone by a script.

local core = require "siphon.core"
local json = require "siphon.json"
local keystone = require "siphon.keystone"
local servers = require "support.servers"

local TOKENS = "POST /v3/auth/tokens"

describe("siphon.keystone's protocol", function()
  local server
  setup(function() server = servers.start() end)
  teardown(function() server:stop() end)

  local CATALOG = {
    { type = "image", endpoints = {
      { interface = "public", region_id = "One", url = "http://one/image" },
      { interface = "internal", region_id = "One", url = "http://one.internal/image" },
      { interface = "public", region = "Two", url = "http://two/image" },
    } },
    { type = "volumev3", endpoints = { { interface = "public", region_id = "One", url = "http://one/volume" } } },
    { type = "identity", endpoints = {} },
  }

  -- An answer with a token that lives so many seconds.
  local function token(name, seconds, fields)
    local body = { issued_at = "2026-02-28T23:59:58.000000Z", catalog = CATALOG, roles = { { name = "member" } } }
    body.expires_at = os.date("!%Y-%m-%dT%H:%M:%S.000000Z", keystone.parse_time(body.issued_at) + (seconds or 3600))
    for key, value in pairs(fields or {}) do body[key] = value end
    return { status = 201, headers = { ["X-Subject-Token"] = name }, body = { token = body } }
  end

  local function identity(over)
    local options = { auth_url = server.url, username = "u", password = "s3cret", project_name = "p" }
    for key, value in pairs(over or {}) do options[key] = value or nil end
    return keystone.identity(options)
  end

  local function fails(code, answers, ...)
    server:script(answers)
    local got, err = identity():token()
    assert.is_nil(got)
    assert.equal(code, err.code)
    for _, expected in ipairs { ... } do assert.truthy(err.message:find(expected, 1, true), err.message) end
    assert.is_nil(json.encode(require "siphon.errors".plain(err)):find("s3cret", 1, true))
    return err
  end

  it("gives the token as a Secret", function()
    server:script { [TOKENS] = { token "first" } }
    local got = assert(identity():token())
    assert.equal("<secret>", tostring(got))
    assert.equal("first", got:reveal())
  end)

  it("asks once as long as the token lives, and anew before its end", function()
    server:script { [TOKENS] = { token("short", 3600), token "long" } }
    local who = identity()
    assert.equal("short", who:token():reveal())
    assert.equal("short", who:token():reveal())
    who.current.renew_at = core.task.now()
    assert.equal("long", who:token():reveal())
    assert.equal("long", who:token():reveal())
    assert.equal(2, #server:log())
  end)

  it("counts the life of a token by Keystone's clock, not by its own", function()
    server:script { [TOKENS] = { token("t", 3600) } }
    local who = identity()
    assert(who:token())
    local left = who.current.renew_at - core.task.now()
    assert.is_true(left > 3400 and left <= 3480)
  end)

  it("asks once for many tasks", function()
    server:script { [TOKENS] = { token "one", token "two" } }
    local who, seen = identity(), {}
    core.task.scope(function()
      for i = 1, 5 do core.task.spawn(function() seen[i] = who:token():reveal() end) end
    end)
    assert.same({ "one", "one", "one", "one", "one" }, seen)
  end)

  it("drops a refused token, but not the one that has replaced it", function()
    server:script { [TOKENS] = { token "one", token "two" } }
    local who = identity()
    local one = who:token()
    assert.is_true(who:invalidate(one))
    local two = who:token()
    assert.equal("two", two:reveal())
    assert.is_true(who:invalidate(one))
    assert.equal(two, who:token())
  end)

  it("finds services by type and its other names, interface in order of preference, and region", function()
    server:script { [TOKENS] = { token "t" } }
    local who = identity()
    local function url(options) return who:endpoint(options) end
    assert.equal("http://one/image", url { service = "image" })
    assert.equal("http://two/image", url { service = "image", region = "Two" })
    assert.equal("http://one.internal/image", url { service = "image", interfaces = { "internalURL", "public" } })
    assert.equal("http://two/image", url { service = "image", interfaces = { "internal", "public" }, region = "Two" })
    assert.equal("http://one/volume", url { service = "block-storage" })
    local none, err = url { service = "image", region = "one" }
    assert.is_nil(none)
    assert.truthy(err.message:find("did you mean 'One'? (regions: One, Two)", 1, true), err.message)
    none, err = url { service = "image", interfaces = { "internal" }, region = "Two" }
    assert.is_nil(none)
    assert.truthy(err.message:find("interfaces: public", 1, true), err.message)
    none, err = url { service = "identity" }
    assert.is_nil(none)
    assert.equal("keystone.catalog", err.code)
  end)

  it("tries again when Keystone or a proxy is busy", function()
    server:script { [TOKENS] = { { status = 503 }, { status = 502 }, token "late" } }
    assert.equal("late", identity():token():reveal())
    assert.equal(3, #server:log())
  end)

  it("does not carry the password to where a server points", function()
    fails("keystone.redirect", { [TOKENS] = { { status = 302, headers = { Location = "http://elsewhere/v3/auth/tokens" } } } },
      "OS_AUTH_URL=http://elsewhere/v3")
    assert.equal(1, #server:log())
  end)

  it("follows the versions that Keystone lists, on its own host only", function()
    local function list(href)
      return { ["GET /"] = { { status = 300, body = { versions = { values = { { id = "v3.14", links = { { rel = "self",
        href = href } } } } } } } }, [TOKENS] = { { status = 404 } }, ["POST /deep/v3/auth/tokens"] = { token "deep" } }
    end
    server:script(list(server.url .. "/deep/v3/"))
    assert.equal("deep", identity():token():reveal())
    fails("keystone.version", list "http://elsewhere/v3/", "offers v3.14")
  end)

  it("says what is wrong with an answer", function()
    fails("keystone.bad_request", { [TOKENS] = { { status = 400, body = { error = { message = "Expecting x" } } } } }, "Expecting x")
    fails("keystone.unauthorized", { [TOKENS] = { { status = 401, body = { error = { message = "No." } } } } }, "401 No.",
      "OS_PASSWORD")
    fails("keystone.forbidden", { [TOKENS] = { { status = 403 } } }, "policy")
    fails("keystone.not_found", { [TOKENS] = { { status = 404 } }, ["GET /"] = { { status = 404 } } }, "OS_AUTH_URL")
    assert.is_true(fails("keystone.server", { [TOKENS] = { { status = 500 } } }, "log").retryable)
    fails("keystone.not_json", { [TOKENS] = { { status = 201, body = "<html>Welcome" } } }, "<html>Welcome", "OS_AUTH_URL")
    local without = token "t"
    without.headers["X-Subject-Token"] = nil
    fails("keystone.not_json", { [TOKENS] = { without } })
    fails("keystone.not_json", { [TOKENS] = { token("t", 60, { expires_at = "never" }) } })
  end)

  it("sends no token of its own with a password", function()
    server:script { [TOKENS] = { token "t" } }
    assert(identity():token())
    local log = server:log()
    assert.equal(1, #log)
    assert.equal("application/json", log[1].headers["content-type"])
    assert.is_nil(log[1].headers["x-auth-token"])
  end)

  it("knows its options", function()
    assert.is_false(pcall(keystone.identity, { auth_url = "http://k" }))
    assert.is_false(pcall(keystone.identity, { auth_url = "http://k", password = "x", usr = "y" }))
    assert.is_false(pcall(keystone.identity, { password = "x" }))
    assert.is_false(pcall(keystone.identity, { auth_url = "http://k", kind = "kerberos" }))
  end)

  it("reads Keystone's times", function()
    assert.equal(0, keystone.parse_time "1970-01-01T00:00:00Z")
    assert.equal(1772323199, keystone.parse_time "2026-02-28T23:59:59.000000Z")
    assert.equal(1709164800, keystone.parse_time "2024-02-29T00:00:00Z")
    for _, text in ipairs { "", "2026-02-28", "2026-02-28T23:59:59", "2026-02-28T23:59:59+02:00" } do
      assert.is_nil(keystone.parse_time(text))
    end
    assert.is_nil(keystone.parse_time(nil))
  end)
end)
