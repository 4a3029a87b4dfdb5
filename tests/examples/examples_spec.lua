-- Each example runs, on the bed, and does what its header says. What needs more than this bed is tried elsewhere:
-- fan_out.lua in tests/keystone, across_clusters.lua in tests/routes.
local bed = require "support.bed"
local command = require "support.command"
local json = require "siphon.json"
local servers = require "support.servers"

local BUILD = os.getenv "SIPHON_BUILD" or "build"

-- Volumes of 32 MiB with some data, removed at the end of the test; their specs.
local function volumes(count, options)
  local list = {}
  for i = 1, count do list[i] = bed.volume(options) end
  finally(function()
    for _, spec in ipairs(list) do bed.remove(spec) end
  end)
  return table.unpack(list)
end

local function run(script, ...)
  return command.run({ "run", "examples/" .. script, ... }, { env = { GLANCE_POOL = "images" } })
end

-- The Glance images of that name, of which none outlives the test.
local function images(name)
  local list = bed.glance_images(name)
  local hidden = command.shell(("curl -sSf '%s/v2/images?name=%s&os_hidden=true'"):format(bed.url, name))
  for _, image in ipairs(json.decode(hidden).images) do list[#list + 1] = image end
  table.sort(list, function(a, b) return a.created_at > b.created_at end)
  return list
end

local function delete(name)
  for _, image in ipairs(images(name)) do bed.delete_glance_image(image.id) end
end

describe("examples/", function()
  local before

  before_each(function() before = bed.holdings() end)
  after_each(function() bed.assert_unchanged(before, bed.holdings) end)

  it("two_at_once.lua makes two images", function()
    local first, second = volumes(2)
    first, second = first:match "/(.*)", second:match "/(.*)"
    finally(function()
      delete(first)
      delete(second)
      bed.remove("volumes/" .. first)
      bed.remove("volumes/" .. second)
    end)
    local result = command.run { "run", "examples/two_at_once.lua", "volumes", first, second }
    assert.equal("", result.err)
    assert.equal(0, result.code)
    assert.equal(2, select(2, result.out:gsub("([%x-]+)\trbd://", "")))
  end)

  it("two_at_once.lua undoes the one when the other fails", function()
    local first = volumes(1):match "/(.*)"
    local result = command.run { "run", "examples/two_at_once.lua", "volumes", first, "missing" }
    assert.equal(70, result.code)
    assert.matches("there is no image 'missing'", result.err)
    assert.equal("", command.shell("rbd snap ls volumes/" .. first))
    assert.equal("", command.shell("rbd ls images"))
  end)

  it("golden_nightly.lua makes a new image each time, hides the last and deletes the older ones", function()
    local spec, name = volumes(1), bed.name "golden"
    finally(function()
      delete(name)
      bed.remove(spec)
    end)
    for _ = 1, 3 do
      local result = run("golden_nightly.lua", spec, name, "2")
      assert.equal("", result.err)
      assert.equal(0, result.code)
    end
    local list = images(name)
    assert.same({ false, true }, { list[1].os_hidden, list[2].os_hidden })
    assert.equal(2, #list)
    assert.equal(bed.md5(spec), bed.glance_md5(list[1].id))
  end)

  it("evacuate.lua copies a pool's idle images, trashes the originals, and names what is in use", function()
    for _, namespace in ipairs { "old", "new" } do bed.admin("rbd namespace create volumes/" .. namespace) end
    local specs = {}
    for i = 1, 3 do specs[i] = bed.volume { namespace = "old" } end
    local watcher = assert(require("siphon.core").rbd.open(bed.pool("volumes", "old"), specs[3]:match "[^/]+$",
      { read_only = false }))
    finally(function()
      watcher:close()
      command.shell "for n in old new; do rbd trash ls volumes/$n | while read -r id name; do rbd trash restore volumes/$n/$id; done; done"
      for _, spec in ipairs(specs) do
        bed.remove(spec)
        bed.remove((spec:gsub("/old/", "/new/")))
      end
      for _, namespace in ipairs { "old", "new" } do bed.admin("rbd namespace remove volumes/" .. namespace) end
    end)
    local sums = { bed.md5(specs[1]), bed.md5(specs[2]) }
    local result = run("evacuate.lua", "volumes/old", "volumes/new", "remove")
    assert.equal("", result.err)
    assert.equal(1, result.code)
    assert.matches(("left: %s: in use"):format(specs[3]:gsub("%-", "%%-")), result.out)
    for i, sum in ipairs(sums) do assert.equal(sum, bed.md5((specs[i]:gsub("/old/", "/new/")))) end
    assert.equal(specs[3]:match "[^/]+$" .. "\n", command.shell "rbd ls volumes/old")
  end)

  it("notify.lua tells a web hook how it went, either way", function()
    local server = servers.start()
    local spec, name = volumes(1), bed.name "told"
    finally(function()
      server:stop()
      delete(name)
      bed.remove(spec)
    end)
    server:script { ["POST /hook"] = { { status = 200 } } }
    local result = run("notify.lua", server.url .. "/hook", spec, name)
    assert.equal("", result.err)
    assert.equal(0, result.code)
    local told = json.decode(server:log()[1].body)
    assert.equal(bed.glance_images(name)[1].id, told.image_id)
    result = run("notify.lua", server.url .. "/hook", "volumes/missing", name)
    assert.equal(1, result.code)
    assert.equal("ENOENT", json.decode(server:log()[1].body).code)
    result = run("notify.lua", server.url .. "/status/500", spec .. "@missing", name) -- a hook that fails
    assert.equal(1, result.code)
    assert.matches("missing", result.err)
  end)

  it("watch.sh makes its own lines of the events, and ends with siphon's code", function()
    local spec, name = volumes(1), bed.name "watched"
    finally(function()
      delete(name)
      bed.remove(spec)
    end)
    local line = "SIPHON=%s examples/watch.sh --pool images %s glance:%s; echo code $?"
    local output = command.shell(line:format(command.program, spec, name))
    assert.matches("target.copy: %d+ ms\n", output)
    assert.matches("\n100%% of %d+ MiB, %d+ MiB/s\n", output)
    assert.matches("OK [%x-]+ route=osd_copy bytes=%d+\ncode 0\n$", output)
    output = command.shell(line:format(command.program, "volumes/missing", name))
    assert.matches("FAILED ENOENT: there is no image 'missing'", output)
    assert.matches("code 65\n$", output)
  end)

  it("policies/ pass their own specs", function()
    assert.equal(0, command.run({ "policy", "test", "examples/policies" }).code)
  end)

  it("python/copy_many.py makes several at once, and tells of each", function()
    local first, second = volumes(2)
    local names = { first:match "/(.*)", second:match "/(.*)" }
    finally(function()
      for _, name in ipairs(names) do
        delete(name)
        bed.remove("volumes/" .. name)
      end
    end)
    local output = command.shell(("LIBSIPHON=%s/lib/libsiphon.so.0 PYTHONDONTWRITEBYTECODE=1 LD_PRELOAD='%s' "
      .. "/usr/bin/python3 examples/python/copy_many.py images %s volumes/missing %s || echo code $?"):format(BUILD,
      os.getenv "SIPHON_PRELOAD" or "", first, second))
    for _, name in ipairs(names) do
      assert.matches(name:gsub("%-", "%%-") .. ": 100%%\n", output)
      assert.equal(1, #bed.glance_images(name))
    end
    assert.matches("missing: there is no image 'missing'[^\n]+%(ENOENT%)\n", output)
    assert.matches("code 1\n$", output)
  end)

  describe("c/", function()
    local function options(spec, name)
      return json.encode { source = spec, target = "glance:" .. name, pool = "images" }
    end

    it("copy makes an image, and tells of a failure", function()
      local spec, name = volumes(1), bed.name "c"
      finally(function()
        delete(name)
        bed.remove(spec)
      end)
      local program = ("ASAN_OPTIONS=detect_leaks=1 %s/examples/copy "):format(BUILD)
      local output = command.shell(program .. command.quote(options(spec, name)))
      assert.matches('"event":"job.done"', output)
      assert.equal(bed.md5(spec), bed.glance_md5(bed.glance_images(name)[1].id))
      output = command.shell(program .. command.quote(options("volumes/missing", name)) .. " || echo code $?")
      assert.matches("copy: there is no image 'missing'.* %(ENOENT%)\ncode 1\n$", output)
    end)

    it("epoll makes several at once, one of which fails, beside what else it waits for", function()
      local first, second = volumes(2)
      local name = bed.name "c"
      finally(function()
        delete(name)
        bed.remove(first)
        bed.remove(second)
      end)
      local lines = {}
      for i, spec in ipairs { first, "volumes/missing", second } do
        lines[i] = command.quote(options(spec, name))
      end
      local output = command.shell(("printf '%%s\\n' %s | ASAN_OPTIONS=detect_leaks=1 %s/examples/epoll || echo code $?")
        :format(table.concat(lines, " "), BUILD))
      assert.equal(2, #bed.glance_images(name))
      assert.equal(2, select(2, output:gsub('"route":"osd_copy"', "")))
      assert.matches('"code":"ENOENT"', output)
      assert.matches("code 1\n$", output)
    end)

    it("epoll cancels on Ctrl-C, and everything is undone", function()
      local spec, name = bed.volume { size = 1024, data = { { 0, 192 } } }, bed.name "c"
      finally(function() bed.remove(spec) end)
      local slow = json.encode { source = spec, target = "glance:" .. name, pool = "images", route = "clone_flatten" }
      local output = command.shell(([[
        mkfifo "$TMPDIR/commands"
        export ASAN_OPTIONS=detect_leaks=1 SIPHON_FAULT="stop target.flatten/rbd.flatten/half"
        %s/examples/epoll <"$TMPDIR/commands" & program=$!
        exec 3>"$TMPDIR/commands"
        rm "$TMPDIR/commands"
        echo %s >&3
        for i in $(seq 1200); do
          if grep -q ") T" /proc/$program/stat; then break; fi
          sleep 0.05
        done
        kill -INT $program
        kill -CONT $program
        exec 3>&-
        wait $program || echo code $?]]):format(BUILD, command.quote(slow)))
      assert.matches('"code":"cancelled"', output)
      assert.matches("code 1\n$", output)
    end)
  end)
end)
