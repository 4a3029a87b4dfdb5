-- A host of libsiphon's on a real cluster.
local bed = require "support.bed"
local command = require "support.command"
local json = require "siphon.json"

local BUILD = os.getenv "SIPHON_BUILD" or "build"

-- The function's results, for each of the arguments, and how many events each had: engines and threads of their own. Under
-- a sanitizer leaks are looked for too.
local function calls(name, list)
  local words = {}
  for i, arguments in ipairs(list) do words[i] = command.quote(json.encode(arguments)) end
  local output = command.shell(("ASAN_OPTIONS=detect_leaks=1 %s/test/plugin-host %s/lib/libsiphon.so %s %s"):format(BUILD,
    BUILD, name, table.concat(words, " ")))
  local results, events = {}, {}
  local rest = output:gsub("([^\n]+)\n(%d+) events\n", function(result, count)
    results[#results + 1], events[#events + 1] = assert(json.decode(result)), tonumber(count)
    return ""
  end)
  assert.equal("", rest) -- it prints nothing of its own
  assert.equal(#list, #results)
  return results, events
end

local function call(name, arguments)
  local results, events = calls(name, { arguments })
  return results[1], events[1]
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

  it("copies in several engines at once, each in a thread of its own", function()
    local specs, options = {}, {}
    for i = 1, 3 do
      specs[i] = bed.volume()
      options[i] = { source = specs[i], target = "glance:" .. specs[i]:match "/(.*)", pool = "images" }
    end
    options[4] = { source = "volumes/missing", target = "glance:never", pool = "images" }
    local results = calls("copy", options)
    finally(function()
      for i = 1, 3 do
        bed.delete_glance_image(results[i].image_id)
        bed.remove(specs[i])
      end
    end)
    for i = 1, 3 do assert.equal(bed.md5(specs[i]), bed.glance_md5(results[i].image_id)) end
    assert.equal("ENOENT", results[4].code)
  end)

  it("tells of a failure what the command tells", function()
    local before = bed.inventory()
    local failure = call("copy", { source = "volumes/missing", target = "glance:never", pool = "images" })
    assert.equal("ENOENT", failure.code)
    assert.equal("volumes", failure.where.pool)
    bed.assert_unchanged(before)
  end)
end)
