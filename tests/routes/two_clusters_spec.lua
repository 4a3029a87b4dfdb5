-- From one cluster to another: a second bed beside the first.

local bed = require "support.bed"
local command = require "support.command"

describe("two clusters", function()
  local away, admin
  local volumes = {}

  setup(function()
    away = command.shell "mktemp -d":match "%S+" .. "/bed"
    command.shell(("tests/testbed/testbed up --no-glance --osds 2 --osd-size 2G --dir %s"):format(away))
    admin = ("tests/testbed/testbed admin --dir %s "):format(away)
  end)

  teardown(function()
    for _, spec in ipairs(volumes) do bed.remove(spec) end
    command.shell(("tests/testbed/testbed down --dir %s && rmdir %s"):format(away, away:match "(.*)/"))
  end)

  local function volume()
    local spec = bed.volume()
    volumes[#volumes + 1] = spec
    return spec
  end

  local function there(spec, target, route)
    local arguments = { "copy", spec, target, "--target-conf", away .. "/client/ceph.conf", "--target-id", "siphon" }
    table.move({ "--route", route }, 1, route and 2 or 0, #arguments + 1, arguments)
    return command.run(arguments)
  end

  local function md5_there(spec)
    return command.shell(admin .. "rbd export --no-progress " .. spec .. " - | md5sum"):match "^%x+"
  end

  for _, route in ipairs { "copy", "deep_copy" } do
    it("are bridged by the route " .. route, function()
      local spec = volume()
      local result = there(spec, "volumes/by-" .. route, route)
      assert.equal("", result.err)
      assert.equal(0, result.code)
      assert.equal(bed.md5(spec), md5_there("volumes/by-" .. route))
      assert.same({}, bed.rbd("snap ls " .. spec))
    end)
  end

  it("are what the default policy sees by itself", function()
    local spec = volume()
    assert.equal(0, there(spec, "volumes/by-default").code)
    assert.equal(bed.md5(spec), md5_there "volumes/by-default")
  end)

  it("are what examples/across_clusters.lua copies between, and compares", function()
    local spec = volume()
    local result = command.run { "run", "examples/across_clusters.lua", away .. "/client/ceph.conf", "siphon", spec,
      "volumes/across" }
    assert.equal("", result.err)
    assert.equal(0, result.code)
    local sum = command.shell(("rbd export --no-progress %s - | sha256sum"):format(spec)):match "^%x+"
    assert.matches("32 MiB by route copy, sha256 " .. sum .. "\n$", result.out)
  end)

  it("are told apart when a route cannot bridge them, and when one is out of reach", function()
    local spec = volume()
    local result = there(spec, "volumes/x", "clone_flatten")
    assert.equal(65, result.code)
    assert.matches("the target is in another cluster", result.err)
    result = command.run { "copy", spec, "volumes/x", "--target-conf", "/nonexistent.conf" }
    assert.equal(78, result.code)
    assert.matches("the target's cluster", result.err)
  end)
end)
