-- What is hashed by whom, what it costs, and what counts as a difference. No cluster.

local hashes = require "siphon.hashes"
local routes = require "siphon.routes"
local testing = require "siphon.testing"

describe("the hashes of a copy", function()
  local GIB = 1 << 30
  local without = testing.facts()
  local with = testing.facts { options = { hash = "sha512" } }

  local function added(name)
    local route = assert(routes.get(name))
    return routes.cost(route, with).through_host - route.cost(with).through_host
  end

  it("cost a read through this host where the route does not read, and only where they are asked for", function()
    for name, bytes in pairs { copy = 0, upload = 0, convert = 0, osd_copy = 6 * GIB, clone = 6 * GIB, instant = 6 * GIB,
      clone_flatten = 6 * GIB } do
      assert.equal(bytes, added(name), name)
      local route = routes.get(name)
      assert.same(route.cost(without), routes.cost(route, without))
    end
  end)

  it("are in the plan", function()
    assert.equal("compute sha512 on the way", hashes.text(with, routes.get "copy"))
    assert.matches("read the snapshot for its sha512", hashes.text(with, routes.get "instant"))
    assert.is_nil(hashes.text(with, routes.get "upload"))
    assert.is_nil(hashes.text(without, routes.get "copy"))
  end)

  describe("compared with Glance's record", function()
    local OURS = { checksum = "c1", os_hash_algo = "sha512", os_hash_value = "v1" }

    local function compare(record)
      record.id = "i"
      return pcall(hashes.compare, OURS, record, "job.verify")
    end

    it("are the same where nothing differs, or nothing can be compared", function()
      assert.is_true(compare { checksum = "c1", os_hash_algo = "sha512", os_hash_value = "v1" })
      assert.is_true(compare {})
      assert.is_true(compare { os_hash_algo = "sha512" })
      assert.is_true(compare { checksum = "c1", os_hash_algo = "sha256", os_hash_value = "v2" })
    end)

    it("say which one differs", function()
      for name, record in pairs { checksum = { checksum = "c2" },
        os_hash_value = { checksum = "c1", os_hash_algo = "sha512", os_hash_value = "v2" } } do
        local ok, err = compare(record)
        assert.is_false(ok)
        assert.equal("verify.hash", err.code)
        assert.truthy(err.message:find(name, 1, true))
        assert.equal("i", err.where.image_id)
      end
    end)
  end)
end)
