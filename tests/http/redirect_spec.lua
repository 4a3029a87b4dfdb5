local core = require "siphon.core"
local json = require "siphon.json"
local servers = require "support.servers"

local http = core.http

describe("siphon.http.request that is redirected", function()
  local here, there

  setup(function() here, there = servers.start(), servers.start() end)
  teardown(function()
    here:stop()
    there:stop()
  end)

  local function redirected(options)
    local query = ("?to=%s&status=%d&read=%s"):format(options.to or "/echo", options.status or 302,
      options.read or "all")
    options.url = here.url .. "/redirect" .. query
    options.to, options.status, options.read = nil, nil, nil
    return http.request(options)
  end

  it("follows, to relative and absolute places", function()
    for _, status in ipairs { 301, 302, 303, 307, 308 } do
      local response = assert(redirected { status = status })
      assert.equal(200, response.status)
      assert.equal(here.url .. "/echo", response.url)
    end
    assert.equal(there.url .. "/echo", assert(redirected { to = there.url .. "/echo" }).url)
  end)

  it("keeps method and body, but for 303", function()
    for _, status in ipairs { 301, 302, 307, 308 } do
      local response = assert(redirected { status = status, method = "PATCH", body = "hello", digest = "sha256" })
      local seen = json.decode(response.body)
      assert.equal(seen.sha256, response.digest.value)
      assert.equal("PATCH", seen.method)
      assert.equal(5, seen.body_bytes)
    end
    local seen = json.decode(assert(redirected { status = 303, method = "POST", body = "hello" }).body)
    assert.equal("GET", seen.method)
    assert.equal(0, seen.body_bytes)
    assert.is_nil(seen.headers["content-length"])
  end)

  it("leaves credentials behind when it changes the host", function()
    local headers = { ["X-Auth-Token"] = "t", Authorization = "a", Cookie = "c", ["X-Other"] = core.secret "s",
      ["X-Plain"] = "p" }
    local same = json.decode(assert(redirected { headers = headers }).body).headers
    assert.same({ "t", "a", "c", "s", "p" }, { same["x-auth-token"], same.authorization, same.cookie,
      same["x-other"], same["x-plain"] })
    local other = json.decode(assert(redirected { to = there.url .. "/echo", headers = headers }).body).headers
    assert.equal("p", other["x-plain"])
    for _, name in ipairs { "x-auth-token", "authorization", "cookie", "x-other" } do assert.is_nil(other[name]) end
  end)

  it("gives up after max_redirects", function()
    local response, err = http.request { url = here.url .. "/loop", max_redirects = 3 }
    assert.is_nil(response)
    assert.equal("http.redirect", err.code)
    assert.truthy(err.message:find("more than 3 redirects", 1, true))
    local _, standard = http.request { url = here.url .. "/loop" }
    assert.truthy(standard.message:find("more than 5 redirects", 1, true))
  end)

  it("hands the redirect over with max_redirects = 0", function()
    local response = assert(redirected { max_redirects = 0 })
    assert.equal(302, response.status)
    assert.equal("/echo", response.headers.location)
    assert.equal("elsewhere", response.body)
  end)

  it("refuses other protocols", function()
    for _, to in ipairs { "file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/" } do
      local _, err = redirected { to = to }
      assert.equal("http.redirect", err.code)
    end
  end)

  it("does not send a file again once some of it was sent", function()
    local dir = servers.temporary_directory()
    local path = dir .. "/data"
    servers.write_file(path, ("0123456789"):rep(500000))
    local _, err = redirected { status = 307, method = "PUT", body = { file = path }, read = "some" }
    -- The server goes away with the rest unread, which may be noticed before its answer is.
    assert.truthy(err:is("http.redirect", "http.cut"), tostring(err))
    here:log()
    _, err = redirected { status = 307, method = "PUT", body = { file = path }, read = "all" }
    assert.equal("http.redirect", err.code)
    assert.truthy(err.message:find("only once", 1, true))
    assert.equal(1, #here:log())
    os.execute("rm -r " .. dir)
  end)

  it("sends a file to the new place when none of it was sent", function()
    local dir = servers.temporary_directory()
    local path = dir .. "/data"
    servers.write_file(path, ("0123456789"):rep(500000))
    local response = assert(redirected { status = 307, method = "PUT", body = { file = path }, read = "no" })
    assert.equal(5000000, json.decode(response.body).body_bytes)
    assert.equal(5000000, response.bytes_sent)
    os.execute("rm -r " .. dir)
  end)

  it("counts the timeout over all hops", function()
    local _, err = redirected { to = "/hold", timeout = 0.4 }
    assert.equal("http.timeout", err.code)
  end)
end)
