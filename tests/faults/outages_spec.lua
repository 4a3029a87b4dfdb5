-- What a copy lives through: services of the cluster and Glance that go away and come back while it is in the midst of
-- something. The copy is stopped at the point, the service is restarted, and the copy goes on. Takes services of the bed
-- down: not on a bed that others use (SIPHON_SHARED_BED says that it is one).

local core = require "siphon.core"

local bed = require "support.bed"
local command = require "support.command"
local ground = require "support.ground"

describe("a copy lives through", function()
  if os.getenv "SIPHON_SHARED_BED" then return end
  local here, spec, name, expected
  local HALF = "target.copy/rbd.copy_data/half"

  local function testbed(line)
    local verb, rest = line:match "^(%l+) (.*)$"
    command.shell(("tests/testbed/testbed %s --dir %s %s"):format(verb, bed.directory, rest))
  end

  setup(function()
    here = ground.new()
    spec, name, expected = here.spec, here.name, here.md5
  end)
  teardown(function() here:clear() end)
  after_each(function() here:assert_clean() end)

  -- Stops a copy at the point, calls `meanwhile`, lets it go on; returns how it ended.
  local function interrupted(point, arguments, meanwhile)
    local words = { "copy", spec, "--quiet", "--route", "copy" }
    table.move(arguments, 1, #arguments, #words + 1, words)
    local process = command.start(words, { env = { SIPHON_FAULT = "stop " .. point } })
    process:wait_until_stopped()
    local after = meanwhile(process)
    process:signal "CONT"
    if after then after() end
    return process:wait(180)
  end

  local function identical(result)
    assert.equal(0, result.code, result.err)
    assert.equal(expected, bed.md5("images/" .. name))
    bed.remove("images/" .. name)
  end

  it("the monitor's restart in mid-copy", function()
    identical(interrupted(HALF, { "images/" .. name }, function()
      testbed "stop --kill mon"
      testbed "start mon"
    end))
  end)

  it("an OSD's death in mid-copy", function()
    identical(interrupted(HALF, { "images/" .. name }, function()
      testbed "stop --kill osd.1"
      return function()
        core.task.sleep(1)
        testbed "start osd.1"
      end
    end))
  end)

  it("the manager's death while it flattens", function()
    identical(interrupted("target.flatten/rados.mgr_command",
      { "images/" .. name, "--route", "clone_flatten", "--flatten", "mgr" }, function() -- the last route counts
        testbed "stop --kill mgr"
        testbed "start mgr"
      end))
  end)

  it("Glance's restart between the record and the location", function()
    local target = { "glance:" .. name, "--pool", "images" }
    local result = interrupted("target.seal/rbd.snap_create", target, function()
      testbed "stop --kill glance"
      testbed "start glance"
    end)
    assert.equal(0, result.code, result.err)
    local images = bed.glance_images(name)
    assert.equal(1, #images)
    assert.equal("active", images[1].status)
    assert.equal(expected, bed.md5("images/" .. images[1].id))
    bed.delete_glance_image(images[1].id)
  end)

  describe("a cluster that is full", function()
    -- The OSDs call themselves full, or no longer, and the map says so.
    local function full(wanted)
      -- In this order: OSDs mend ratios that are out of order.
      for i, kind in ipairs { "nearfull", "backfillfull", "full" } do
        bed.admin(("ceph osd set-%s-ratio %s"):format(kind, wanted and "0.0001" or 0.8 + i * 0.05))
      end
      for _ = 1, 120 do
        if (bed.admin("ceph health detail"):find("OSD_FULL", 1, true) ~= nil) == wanted then return end
        core.task.sleep(0.5)
      end
      error "the OSDs' state did not change"
    end

    after_each(function() full(false) end)

    it("while it copies: it fails, and is undone", function()
      local result = interrupted(HALF, { "images/" .. name }, function() full(true) end)
      assert.equal(69, result.code, result.err)
      assert.matches("ENOSPC", result.err)
      assert.not_matches("left behind", result.err)
    end)

    it("before it begins: it says so, and makes nothing", function()
      full(true)
      local result = command.run { "copy", spec, "images/" .. name, "--quiet", "--no-space-check" }
      assert.equal(69, result.code, result.err)
      assert.matches("ENOSPC", result.err)
    end)
  end)
end)
