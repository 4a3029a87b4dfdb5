local glance = require "siphon.glance"

describe("siphon.glance.connect", function()
  it("takes endpoints as catalogs have them", function()
    for given, endpoint in pairs {
      ["http://h:9292"] = "http://h:9292", ["http://h:9292/"] = "http://h:9292", ["http://h:9292/v2"] = "http://h:9292",
      ["http://h:9292/v2/"] = "http://h:9292", ["https://h/image"] = "https://h/image",
      ["https://h/image/v2.15/"] = "https://h/image", ["http://h/ev2"] = "http://h/ev2", ["http://v2"] = "http://v2",
      ["http://[::1]:9292/v2"] = "http://[::1]:9292",
    } do
      assert.equal(endpoint, assert(glance.connect { endpoint = given }).endpoint)
    end
  end)

  it("knows its options", function()
    assert.is_false(pcall(glance.connect, {}))
    assert.is_false(pcall(glance.connect, { endpoint = "http://h", tokn = "x" }))
    assert.is_false(pcall(glance.connect, { endpoint = "http://h", token = 7 }))
  end)

  it("keeps tokens to itself", function()
    local client = assert(glance.connect { endpoint = "http://h", token = "s3cret" })
    assert.is_nil(tostring(client):find("s3cret", 1, true))
    assert.equal("<secret>", tostring(client.auth:token()))
  end)
end)
