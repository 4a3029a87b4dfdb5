-- A host of libsiphon's on a real cluster.
local bed = require "support.bed"
local command = require "support.command"
local json = require "siphon.json"

local BUILD = os.getenv "SIPHON_BUILD" or "build"

-- The function's result and the number of events. Under a sanitizer leaks are looked for too.
local function call(name, arguments)
  local output = command.shell(("ASAN_OPTIONS=detect_leaks=1 %s/test/plugin-host %s/lib/libsiphon.so %s %s"):format(BUILD,
    BUILD, name, command.quote(json.encode(arguments))))
  local result, events = output:match "^([^\n]+)\n(%d+) events\n$"
  return assert(json.decode(result)), tonumber(events)
end

describe("libsiphon on a cluster", function()
  it("plans and copies", function()
    local spec = bed.volume()
    local name = bed.name "golden"
    local options = { source = spec, target = "glance:" .. name, pool = "images" }
    finally(function() bed.remove(spec) end)
    local plan, nothing = call("plan", options)
    assert.equal("osd_copy", plan.route)
    assert.equal(0, nothing)
    local result, events = call("copy", options)
    finally(function()
      bed.delete_glance_image(result.image_id)
      bed.remove(spec)
    end)
    assert.equal("active", bed.glance_image(result.image_id).status)
    assert.equal(bed.md5(spec), bed.glance_md5(result.image_id))
    assert.is_true(events > 10)
  end)

  it("tells of a failure what the command tells", function()
    local before = bed.inventory()
    local failure = call("copy", { source = "volumes/missing", target = "glance:never", pool = "images" })
    assert.equal("ENOENT", failure.code)
    assert.equal("volumes", failure.where.pool)
    bed.assert_unchanged(before)
  end)
end)
