-- From one cluster to another: a second bed beside the first.

local core = require "siphon.core"
local json = require "siphon.json"

local bed = require "support.bed"
local command = require "support.command"
local fences = require "support.fences"

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

  local function there(spec, target, route, ...)
    local arguments = { "copy", spec, target, "--target-conf", away .. "/client/ceph.conf", "--target-id", "siphon", ... }
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

  -- A copy that comes to a fault in its midst; returns the process and, once the lease ran out, its job's id.
  local function cut_off(verb, spec, target)
    local process = command.start({ "copy", spec, target, "--quiet", "--route", "copy", "--target-conf",
      away .. "/client/ceph.conf", "--target-id", "siphon" },
      { env = { SIPHON_FAULT = verb .. " target.copy/rbd.copy_data/half", SIPHON_LEASE = "1" } })
    if verb == "stop" then process:wait_until_stopped() end -- one that begins looks abandoned for a moment
    for _ = 1, 300 do
      for line in command.run({ "jobs", "--json" }).out:gmatch "[^\n]+" do
        local entry = json.decode(line)
        if entry.source == spec and entry.state == "abandoned" then return process, entry.id end
      end
      core.task.sleep(0.1)
    end
    error "the job was not cut off"
  end

  describe("hold a job", function()
    local barred

    before_each(function() barred = fences.standing() end)
    after_each(function() fences.lift(barred) end)

    local function barred_there()
      return command.shell(admin .. "ceph osd blocklist ls 2>/dev/null | wc -l")
    end

    local function there_is(target)
      return command.shell(admin .. "rbd ls volumes"):find(target:match "[^/]+$", 1, true) ~= nil
    end

    it("that was cut off, and is resumed", function()
      local spec, target = volume(), "volumes/resumed"
      local process, id = cut_off("kill", spec, target)
      assert.equal(137, process:wait().code)
      local result = command.run { "resume", id, "--quiet" }
      assert.equal(0, result.code, result.err)
      assert.equal(bed.md5(spec), md5_there(target))
      assert.same({}, bed.rbd("snap ls " .. spec))
      assert.not_matches(spec, command.run({ "jobs" }).out, 1, true)
    end)

    it("that was cut off, and is undone", function()
      local spec, target = volume(), "volumes/undone"
      local process, id = cut_off("kill", spec, target)
      assert.equal(137, process:wait().code)
      local result = command.run { "undo", id, "--quiet" }
      assert.equal(0, result.code, result.err)
      assert.is_false(there_is(target))
      assert.same({}, bed.rbd("snap ls " .. spec))
    end)

    it("whose former holder, waking up late, can do nothing in either", function()
      local spec, target = volume(), "volumes/undone-too"
      local process, id = cut_off("stop", spec, target)
      local before = barred_there()
      assert.equal(0, command.run({ "undo", id, "--quiet" }).code)
      process:signal "CONT"
      local late = process:wait(60)
      assert.equal(75, late.code, late.err)
      assert.matches("was taken over by", late.err)
      assert.is_false(there_is(target))
      assert.not_equal(before, barred_there())
    end)
  end)

  describe("are told apart by --resume", function()
    local spec, target
    local barred

    before_each(function()
      barred = fences.standing()
      spec = volume()
      target = spec .. "-copy"
    end)
    after_each(function() fences.lift(barred) end)

    local function copied_here(name)
      local result = command.run { "copy", spec, name, "--resume", "--quiet" }
      assert.equal(0, result.code, result.err)
      volumes[#volumes + 1] = name
      assert.equal(bed.md5(spec), bed.md5(name))
    end

    local function copied_there(name)
      local result = there(spec, name, nil, "--resume", "--quiet")
      assert.equal(0, result.code, result.err)
      assert.equal(bed.md5(spec), md5_there(name))
    end

    it("when the copy in one of them is done", function()
      copied_here(target)
      copied_there(target)
    end)

    it("when the source has the target's name", function()
      copied_there(spec)
      command.shell(admin .. "rbd rm --no-progress " .. spec)
      copied_there(spec)
      local again = there(spec, spec, nil, "--resume", "--json")
      assert.equal(0, again.code, again.err)
      assert.equal(1, #command.events(again.out))
    end)

    it("when the copy to one of them was cut off", function()
      local process, id = cut_off("kill", spec, target)
      assert.equal(137, process:wait().code)
      copied_here(target)
      assert.matches(id, command.run({ "jobs" }).out, 1, true)
      copied_there(target)
      assert.not_matches(id, command.run({ "jobs" }).out, 1, true)
    end)
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
