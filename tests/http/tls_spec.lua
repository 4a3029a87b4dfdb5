local core = require "siphon.core"
local json = require "siphon.json"
local servers = require "support.servers"

local http = core.http

describe("siphon.http.request over TLS", function()
  local authority, server, plain

  setup(function()
    authority = servers.authority()
    server = servers.start { tls = authority }
    plain = servers.start()
  end)
  teardown(function()
    server:stop()
    plain:stop()
    authority.remove()
  end)

  it("trusts the authorities of ca_file", function()
    local response = assert(http.request { url = server.url .. "/echo", ca_file = authority.ca })
    assert.equal(200, response.status)
  end)

  it("trusts no others", function()
    for _, ca in ipairs { authority.other_ca, false } do
      local response, err = http.request { url = server.url .. "/echo", ca_file = ca or nil }
      assert.is_nil(response)
      assert.equal("http.tls", err.code)
      assert.is_false(err.retryable)
      assert.truthy(err.message:find("ca_file (OS_CACERT)", 1, true))
    end
  end)

  it("wants the certificate to be for the host", function()
    local url = server.url:gsub("127%.0%.0%.1", "localhost")
    local _, err = http.request { url = url .. "/echo", ca_file = authority.ca }
    assert.equal("http.tls", err.code)
  end)

  it("verifies nothing when told so", function()
    assert.equal(200, assert(http.request { url = server.url .. "/echo", insecure = true }).status)
  end)

  it("does not take a trusted connection for an untrusted request", function()
    assert(http.request { url = server.url .. "/echo", insecure = true })
    local _, err = http.request { url = server.url .. "/echo" }
    assert.equal("http.tls", err.code)
  end)

  it("names the file that cannot be used", function()
    for _, options in ipairs {
      { ca_file = "/nowhere/ca.pem" }, { cert_file = "/nowhere/cert.pem", insecure = true },
    } do
      options.url = server.url .. "/echo"
      local _, err = http.request(options)
      assert.equal("http.tls", err.code)
      assert.truthy(err.message:find("look at ca_file, cert_file and key_file", 1, true), err.message)
    end
  end)

  it("shows a client certificate", function()
    local strict = servers.start { tls = authority, client_ca = true }
    finally(function() strict:stop() end)
    local response = assert(http.request { url = strict.url .. "/echo", ca_file = authority.ca,
      cert_file = authority.cert, key_file = authority.key })
    assert.equal(200, response.status)
    local none, err = http.request { url = strict.url .. "/echo", ca_file = authority.ca }
    assert.is_nil(none)
    assert.truthy(err:is("http.tls", "http.cut"), tostring(err))
  end)

  it("fails clearly where the server speaks no TLS", function()
    local _, err = http.request { url = plain.url:gsub("http:", "https:") .. "/echo" }
    assert.equal("http.tls", err.code)
  end)

  it("goes from http to https when redirected, never back", function()
    local up = plain.url .. "/redirect?to=" .. server.url .. "/echo"
    local response = assert(http.request { url = up, ca_file = authority.ca, headers = { ["X-Auth-Token"] = "t" } })
    assert.is_nil(json.decode(response.body).headers["x-auth-token"])
    local down = server.url .. "/redirect?to=" .. plain.url .. "/echo"
    local _, err = http.request { url = down, ca_file = authority.ca }
    assert.equal("http.redirect", err.code)
    assert.truthy(err.message:find("from https to http", 1, true))
  end)

  it("notices a cut", function()
    local _, err = http.request { url = server.url .. "/cut?after=70000", ca_file = authority.ca }
    assert.equal("http.cut", err.code)
  end)
end)
