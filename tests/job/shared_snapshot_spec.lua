-- Several copies of one snapshot that the user named and did not protect: it is protected until the last of them is
-- over, however each one ends.

local json = require "siphon.json"

local bed = require "support.bed"
local command = require "support.command"
local eventually = require "support.eventually"
local ground = require "support.ground"

local HALF = "target.copy/rbd.copy_data/half"

describe("a snapshot that several jobs copy", function()
  local here, monday, expected
  local made

  setup(function() here = ground.new() end)
  teardown(function() here:clear() end)

  before_each(function()
    made, monday, expected = {}, here.spec .. "@monday", here.md5
    command.shell("rbd snap create --no-progress " .. monday)
  end)

  after_each(function()
    for _, target in ipairs(made) do bed.remove(target) end
    command.shell("rbd snap rm --no-progress " .. monday)
    here:assert_clean()
  end)

  local function is_protected()
    return bed.rbd("snap ls " .. here.spec)[1].protected == "true"
  end

  local function holds()
    local header = "rbd_header." .. bed.rbd("info " .. here.spec).id
    return #assert(bed.pool "volumes":lockers(header, "siphon.hold"))
      + #assert(bed.pool "volumes":lockers(header, "siphon.turn"))
  end

  local function target_of(name)
    local target = ("images/%s-%s"):format(here.name, name)
    made[#made + 1] = target
    return target
  end

  local function copy_to(target)
    return { "copy", monday, target, "--route", "copy", "--quiet" }
  end

  -- A copy that stands still in its midst.
  local function stopped(name)
    local process = command.start(copy_to(target_of(name)), { env = { SIPHON_FAULT = "stop " .. HALF } })
    process:wait_until_stopped()
    return process
  end

  local function go_on(process)
    process:signal "CONT"
    local result = process:wait(60)
    assert.equal(0, result.code, result.err)
  end

  local function job_of(target)
    for line in command.run({ "jobs", "--json" }).out:gmatch "[^\n]+" do
      local entry = json.decode(line)
      if entry.target == target then return entry end
    end
  end

  -- A copy that died at the point; returns its job's id.
  local function cut_off(point, name)
    local target = target_of(name)
    local process = command.start(copy_to(target), { env = { SIPHON_FAULT = "kill " .. point, SIPHON_LEASE = "1" } })
    assert.equal(137, process:wait(60).code)
    return eventually("the end of the lease", function()
      local entry = job_of(target)
      return entry and entry.state == "abandoned" and entry.id
    end)
  end

  it("is protected until the last of them is over", function()
    local first, second = stopped "first", stopped "second"
    go_on(first)
    assert.is_true(is_protected())
    go_on(second)
    assert.is_false(is_protected())
    assert.equal(0, holds())
    for _, target in ipairs(made) do assert.equal(expected, bed.md5(target)) end
  end)

  it("stays protected for one that was cut off, until that is undone", function()
    local id = cut_off(HALF, "dead")
    local result = command.run(copy_to(target_of "alive"))
    assert.equal(0, result.code, result.err)
    assert.is_true(is_protected())
    result = command.run { "undo", id, "--quiet" }
    assert.equal(0, result.code, result.err)
    assert.is_false(is_protected())
    assert.equal(0, holds())
  end)

  it("stays protected for good when the user protected it", function()
    command.shell("rbd snap protect " .. monday)
    local first, second = stopped "first", stopped "second"
    go_on(first)
    go_on(second)
    assert.is_true(is_protected())
    assert.equal(0, holds())
    command.shell("rbd snap unprotect " .. monday)
  end)

  it("stays protected for a clone that stays, and nobody holds it any more", function()
    local target = target_of "clone"
    local result = command.run { "copy", monday, target, "--route", "clone", "--quiet" }
    assert.equal(0, result.code, result.err)
    assert.is_true(is_protected())
    assert.equal(0, holds())
    bed.remove(target)
    command.shell("rbd snap unprotect " .. monday)
  end)

  for _, point in ipairs {
    "source.protect/rados.lock", "source.protect/rados.lock#2", "source.protect/rbd.snap_protect",
    "source.protect.undo/rbd.snap_unprotect", "source.protect.undo/rados.break_lock",
  } do
    it(("is given back by a job that was cut off at %s, and is gone on with"):format(point), function()
      local result = command.run { "resume", cut_off(point, "resumed"), "--quiet" }
      assert.equal(0, result.code, result.err)
      assert.equal(expected, bed.md5(made[1]))
      assert.is_false(is_protected())
      assert.equal(0, holds())
    end)
  end
end)
