-- A copy by the OSDs that is killed goes on from its last checkpoint: by what the OSDs count.

local core = require "siphon.core"
local json = require "siphon.json"

local bed = require "support.bed"
local ceph = require "support.ceph"
local command = require "support.command"
local eventually = require "support.eventually"
local ground = require "support.ground"
local queue = require "support.queue"

local MIB, OBJECTS = 1 << 20, 24

describe("a copy by the OSDs", function()
  local here, images

  setup(function()
    here = ground.new { size = 4 * OBJECTS, data = { { 0, 4 * OBJECTS } } }
    images = bed.pool "images"
  end)
  teardown(function() here:clear() end)
  after_each(function() here:assert_clean() end)

  -- How many objects the OSDs have copied from each other so far.
  local function copied()
    local sum = 0
    for id in ceph.admin "osd ls":gmatch "%d+" do
      local counters = ceph.admin(("tell osd.%d perf dump osd copyfrom"):format(id))
      sum = sum + json.decode(counters:match "%b{}").osd.copyfrom
    end
    return sum
  end

  -- Up to which object the copy has come for good, as the unfinished image says; nil when there is none yet.
  local function checkpoint(image)
    local handle <close> = core.rbd.open(images, image)
    if not handle then return nil end
    local _, text = ceph.try(("rados -p images getxattr rbd_header.%s siphon.osd_copy"):format(handle.id))
    return math.tointeger(text:match "^1 (%d+) ")
  end

  it("is resumed from its last checkpoint, and what came before is not copied again", function()
    local process = command.start({ "copy", here.spec, "images/" .. here.name, "--quiet", "--route", "osd_copy",
      "--max-rate", tostring(6 * MIB) }, { env = { SIPHON_LEASE = "1" } })
    local id = eventually("a job", function() return command.run({ "jobs" }).out:match "^%S+" end)
    local mark = eventually("a checkpoint with objects before it", function()
      local mark = checkpoint("siphon-" .. id)
      return mark and mark >= 6 and mark
    end, 60)
    process:signal "KILL"
    assert.equal(137, process:wait(30).code)
    eventually("its lease to run out", function() return queue.shown(id).state == "abandoned" end)
    local before = copied()
    assert.is_true(before >= mark)
    local result = command.run { "resume", id, "--quiet" }
    assert.equal(0, result.code, result.err)

    local again = copied() - before
    assert.is_true(again > 0 and again <= OBJECTS - mark, ("%d objects were copied after the %dth"):format(again, mark))
    assert.equal(here.md5, bed.md5("images/" .. here.name))
    bed.remove("images/" .. here.name)
  end)
end)
