-- siphon policy test examples/policies
local testing = require "siphon.testing"

local HERE = debug.getinfo(1, "S").source:match "^@(.*)/" or "."

describe("by_night", function()
  local real_date, real_getenv = os.date, os.getenv
  local hour, night

  setup(function()
    os.date = function(format) return format == "%H" and hour or real_date(format) end -- luacheck: ignore
    os.getenv = function(name) -- luacheck: ignore
      if name == "SITE_NIGHT" then return night end
      return real_getenv(name)
    end
  end)

  teardown(function() os.date, os.getenv = real_date, real_getenv end) -- luacheck: ignore

  local function route(at, allocated, hours)
    hour, night = at, hours
    return (testing.policy(HERE .. "/by_night.lua").routes(testing.facts { source = { allocated = allocated } }))[1]
  end

  it("copies what is small at any hour", function()
    assert.equal("osd_copy", route("12", 1 << 30))
    assert.equal("osd_copy", route("03", 1 << 30))
  end)

  it("does not copy what is large by day", function()
    assert.equal("instant", route("12", 1 << 40))
    assert.equal("copy", route("23", 1 << 40))
    assert.equal("copy", route("05", 1 << 40))
    assert.equal("instant", route("06", 1 << 40))
  end)

  it("goes by the night of the site", function()
    assert.equal("copy", route("12", 1 << 40, "11-14"))
    assert.equal("instant", route("14", 1 << 40, "11-14"))
    assert.has_error(function() route("14", 1 << 40, "noon") end)
  end)
end)
