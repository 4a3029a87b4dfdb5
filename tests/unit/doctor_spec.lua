-- What siphon doctor makes of a Glance: one that is made up, answer by answer.
local core = require "siphon.core"
local siphon = require "siphon"

local openstack = require "siphon.doctor.openstack"

local HERE, ELSEWHERE = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"

-- The findings about a Glance that answers so, by what they are about.
local function findings_of(glance, world)
  local real_open, real_connect = siphon.clouds.open, siphon.clouds.connect
  finally(function() siphon.clouds.open, siphon.clouds.connect = real_open, real_connect end)
  siphon.clouds.open = function()
    return {
      keystone = glance.roles ~= nil, name = "prod", endpoint = function() return "http://glance" end,
      auth = { roles = function() return glance.roles end },
    }
  end
  siphon.clouds.connect = function()
    return {
      endpoint = "http://glance",
      versions = function() return { { id = "v2.17", major = 2, minor = 17 } } end,
      call = function()
        return { headers = { date = os.date("!%a, %d %b %Y %H:%M:%S GMT", os.time() - (glance.behind or 0)) } }
      end,
      list = function()
        if glance.refused then return nil, glance.refused end
        return {}
      end,
      location_api = function() return glance.api or "post" end,
      stores = function() return glance.stores or {} end,
    }
  end
  local found = {}
  local findings = setmetatable({}, { __index = function(_, state)
    return function(_, _, what, text, advice) found[what] = { state = state, text = text, advice = advice } end
  end })
  local all = { options = {}, cluster = { fsid = HERE, name = "client.siphon" }, writable = { "volumes", "images" },
    try = function(fn, ...) return fn(...) end }
  for key, value in pairs(world or {}) do all[key] = value end
  openstack.examine(findings, all)
  return found
end

describe("siphon doctor about OpenStack", function()
  local function rbd(fields)
    local store = { id = "ceph", type = "rbd", pool = "images" }
    for key, value in pairs(fields or {}) do store[key] = value end
    return store
  end

  it("finds the store that lies in this cluster", function()
    local found = findings_of { roles = { "admin", "service" }, stores = { { id = "fs", type = "file" }, rbd { fsid = HERE } } }
    assert.equal("ok", found.store.state)
    assert.matches("store ceph in pool images, this cluster, open to this user", found.store.text, 1, true)
    assert.equal("ok", found.locations.state)
    assert.equal("ok", found.clock.state)
  end)

  it("tells the default store from others", function()
    local found = findings_of { stores = { rbd { id = "slow", pool = "slow" }, rbd { default = true } } }
    assert.matches("store ceph in pool images, a cluster that Glance does not name", found.store.text, 1, true)
  end)

  it("warns of a store in another cluster, and where none is known", function()
    assert.equal("warn", findings_of { stores = { rbd { fsid = ELSEWHERE } } }.store.state)
    assert.equal("warn", findings_of { stores = { { id = "fs", type = "file" } } }.store.state)
    assert.matches("--pool images", findings_of { stores = { { id = "fs" } } }.store.advice, 1, true)
  end)

  it("takes the pool that is named for the store's, where Glance does not tell it", function()
    local function named(pool) return findings_of({ stores = { { id = "fs" } } }, { options = { images_pool = pool } }) end
    assert.equal("ok", named("images").store.state)
    assert.matches("pool images, as named .*, open to this user", named("images").store.text)
    assert.equal("problem", named("elsewhere").store.state)
    assert.equal("osd 'profile rbd pool=elsewhere' for client.siphon", named("elsewhere").store.advice)
  end)

  it("sees a problem in a store's pool that this user may not write", function()
    local found = findings_of({ stores = { rbd() } }, { writable = { "volumes" } })
    assert.equal("problem", found.store.state)
    assert.equal("osd 'profile rbd pool=images' for client.siphon", found.store.advice)
  end)

  it("warns who lacks the role service where locations are taken by POST", function()
    local found = findings_of { roles = { "member" } }
    assert.equal("warn", found.locations.state)
    assert.matches("--os-service-cloud", found.locations.advice, 1, true)
    assert.equal("ok", findings_of({ roles = { "member" }, api = "patch" }).locations.state)
  end)

  it("warns of a clock that is minutes off", function()
    local found = findings_of { behind = 300 }
    assert.equal("warn", found.clock.state)
    assert.matches("30%d s ahead of Glance's", found.clock.text)
    assert.matches("behind", findings_of({ behind = -300 }).clock.text)
  end)

  it("ends where this user may not even list images", function()
    local found = findings_of { refused = core.error { code = "glance.forbidden", message = "no" } }
    assert.equal("problem", found.access.state)
    assert.is_nil(found.store)
  end)
end)
