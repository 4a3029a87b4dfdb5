-- Copies to Glance on the real bed: what comes out, and what is left of the job.

local bed = require "support.bed"
local command = require "support.command"
local copies = require "support.copies"

local POOL = "images"

describe("siphon copy to Glance", function()
  local before
  local made = copies.new()

  setup(function() before = bed.inventory() end)
  teardown(function()
    made:clean()
    bed.assert_unchanged(before)
  end)

  local function volume(options) return made:volume(options) end

  -- Returns the events and the last of them.
  local function copy(source, target, ...)
    local done, events = made:copy(source, target, "--pool", POOL, ...)
    return events, done
  end

  local function assert_source_untouched(spec, snapshots)
    assert.same(snapshots or {}, bed.rbd("snap ls " .. command.quote(spec)))
  end

  local function assert_sealed(id)
    local info = bed.rbd(("info %s/%s"):format(POOL, id))
    assert.is_nil(info.parent)
    local snapshots = bed.rbd(("snap ls %s/%s"):format(POOL, id))
    assert.equal(1, #snapshots)
    assert.equal("snap", snapshots[1].name)
    assert.equal("true", snapshots[1].protected)
    assert.same({}, bed.rbd(("image-meta list %s/%s"):format(POOL, id)))
    assert.same({}, bed.rbd(("status %s/%s"):format(POOL, id)).watchers)
    return info
  end

  for _, route in ipairs { "copy", "clone_flatten" } do
    describe("by route " .. route, function()
      it("makes an active image with the volume's bytes, and leaves the volume as it was", function()
        local spec = volume()
        local _, done = copy(spec, "glance:golden", "--route", route)
        local record = assert(bed.glance_image(done.image_id))
        assert.equal("active", record.status)
        assert.equal("golden", record.name)
        assert.same({ "raw", "bare" }, { record.disk_format, record.container_format })
        assert.equal(32 << 20, record.size)
        assert.equal(bed.md5(spec), bed.glance_md5(done.image_id))
        assert_sealed(done.image_id)
        assert_source_untouched(spec)
      end)

      it("tells what it did in job.done", function()
        local spec = volume()
        local events, done = copy(spec, "glance:told", "--route", route)
        local start = events[1]
        assert.equal("job.start", start.event)
        assert.equal(start.job, done.job)
        assert.same({ spec, "glance:told", route }, { done.source, done.target, done.route })
        assert.equal(("rbd://%s/%s/%s/snap"):format(bed.cluster().fsid, POOL, done.image_id), done.location)
        assert.equal(32 << 20, done.bytes.size)
        assert.is_true(done.bytes.allocated >= 7 << 20 and done.bytes.allocated <= 32 << 20)
        assert.is_true(done.bytes.copied >= 7 << 20)
        assert.is_true(done.bytes.through_host >= 2 * (7 << 20))
        assert.is_true(done.seconds > 0)
      end)

      it("flattens a clone and drops the image-meta of the volume", function()
        local base = volume { data = { { 0, 4 }, { 16, 2 } } }
        command.shell(("rbd snap create --no-progress %s@base && rbd snap protect %s@base"):format(base, base))
        local spec = "volumes/" .. bed.name "clone"
        command.shell(("rbd clone %s@base %s && rbd image-meta set %s conf_rbd_qos_bps_limit 900000000"):format(base, spec, spec))
        made:expect(spec)
        local _, done = copy(spec, "glance:cloned", "--route", route)
        assert.equal(bed.md5(spec), bed.glance_md5(done.image_id))
        assert_sealed(done.image_id)
        assert_source_untouched(spec)
      end)

      it("copies sources of any layout into a plain one", function()
        for _, make in ipairs {
          "--size 40M --object-size 64K --image-feature layering",
          "--size 40M --object-size 32M",
          "--size 41943552B --stripe-unit 64K --stripe-count 4 --image-feature layering",
        } do
          local spec = "volumes/" .. bed.name "layout"
          made:expect(spec)
          command.shell(("rbd create %s %s && rbd bench --io-type write --io-size 256K --io-total 6M --io-pattern rand %s")
            :format(make, spec, spec))
          local _, done = copy(spec, "glance:layout", "--route", route)
          assert.equal(bed.md5(spec), bed.glance_md5(done.image_id))
          local info = assert_sealed(done.image_id)
          assert.is_nil(info.stripe_unit, make)
        end
      end)
    end)
  end

  it("is not to be told from an image that Glance stored itself", function()
    local spec = volume()
    local _, done = copy(spec, "glance:ours", "--route", "copy") -- osd_copy keeps the volume's object size
    local file = os.tmpname()
    command.shell(("rbd export --no-progress %s - > %s"):format(spec, file))
    local theirs = command.shell(([[
      id=$(curl -sSf -X POST -H 'Content-Type: application/json' %s/v2/images \
        -d '{"name": "theirs", "disk_format": "raw", "container_format": "bare"}' | jq -r .id)
      curl -sSf -X PUT -H 'Content-Type: application/octet-stream' -T %s %s/v2/images/$id/file
      echo $id]]):format(bed.url, file, bed.url)):match "%S+"
    os.remove(file)
    made:expect_image(theirs)

    -- Everything that `rbd` shows but for names and times.
    local function shown(id)
      local info = bed.rbd(("info %s/%s"):format(POOL, id))
      for _, key in ipairs { "id", "name", "block_name_prefix", "create_timestamp", "access_timestamp", "modify_timestamp" } do
        info[key] = nil
      end
      local snapshots = bed.rbd(("snap ls %s/%s"):format(POOL, id))
      for _, snapshot in ipairs(snapshots) do snapshot.id, snapshot.timestamp = nil, nil end
      return { info = info, snapshots = snapshots, metadata = bed.rbd(("image-meta list %s/%s"):format(POOL, id)),
        status = bed.rbd(("status %s/%s"):format(POOL, id)) }
    end
    assert.same(shown(theirs), shown(done.image_id))

    local ours, other = bed.glance_image(done.image_id), bed.glance_image(theirs)
    for _, key in ipairs { "status", "size", "disk_format", "container_format", "min_ram", "visibility", "protected",
      "os_hidden", "stores" } do
      assert.equal(other[key], ours[key], key)
    end
  end)

  it("makes an image that can be cloned as Cinder does, and that Glance can delete", function()
    local spec = volume()
    local _, done = copy(spec, "glance:used")
    local child = "volumes/" .. bed.name "child"
    command.shell(("rbd clone %s/%s@snap %s"):format(POOL, done.image_id, child))
    assert.equal(bed.md5(spec), bed.md5(child))
    command.shell(("rbd rm --no-progress %s"):format(child))
    command.shell(("curl -sSf -X DELETE %s/v2/images/%s"):format(bed.url, done.image_id))
    assert.is_nil(bed.glance_image(done.image_id))
    for _, name in ipairs(bed.rbd("ls " .. POOL)) do assert.are_not.equal(done.image_id, name) end
  end)

  it("takes the id it is given", function()
    local spec = volume()
    local id = command.shell("cat /proc/sys/kernel/random/uuid"):match "%S+"
    local _, done = copy(spec, "glance:mine", "--image-id", id:upper())
    assert.equal(id, done.image_id)
  end)

  it("takes any name, for the image and for the volume", function()
    for _, name in ipairs { "a b", "with/slash", "with@at", "Ünïcödé 漢字", "100% 'quoted' \"x\"", "-dash" } do
      local spec = volume { name = bed.name "odd name ü", size = 8, data = { { 0, 1 } } }
      local _, done = copy(spec, "glance:" .. name)
      assert.equal(name, bed.glance_image(done.image_id).name)
      assert_source_untouched(spec)
    end
  end)

  describe("from a snapshot that the user names", function()
    local function with_snapshot(protected)
      local spec, name = volume()
      command.shell(("rbd snap create --no-progress %s@monday"):format(spec))
      if protected then command.shell(("rbd snap protect %s@monday"):format(spec)) end
      local md5 = bed.md5(spec)
      local pool = bed.pool "volumes"
      local image <close> = assert(require("siphon.core").rbd.open(pool, name, { read_only = false }))
      assert(image:write(0, ("later"):rep(100000)))
      return spec, md5
    end

    for _, protected in ipairs { true, false } do
      it(("copies that, and leaves it %s"):format(protected and "protected" or "unprotected, as it was"), function()
        local spec, md5 = with_snapshot(protected)
        local _, done = copy(spec .. "@monday", "glance:monday")
        assert.equal(md5, bed.glance_md5(done.image_id))
        local snapshots = bed.rbd("snap ls " .. spec)
        assert.equal(1, #snapshots)
        assert.equal(tostring(protected), snapshots[1].protected)
      end)
    end
  end)

  describe("by a policy", function()
    it("of ours takes the route that the policy is named for", function()
      for policy, route in pairs { default = "osd_copy", copy = "copy", clone_flatten = "clone_flatten" } do
        local spec = volume { size = 8, data = { { 0, 1 } } }
        local _, done = copy(spec, "glance:" .. policy, "--policy", policy)
        assert.equal(route, done.route)
      end
    end)

    it("of the operator's own may decide by the facts, act before and after, and log", function()
      local path = os.tmpname()
      local file = assert(io.open(path .. ".lua", "w"))
      file:write [[
        --- Small volumes are cloned.
        return {
          routes = function(facts)
            if facts.source.size < 16 * 2^20 then return { "clone_flatten", "copy" }, "it is small" end
            return { "copy" }
          end,
          before = function(job) siphon.log("before", job.id ~= nil) end,
          after = function(job)
            job:seal()
            job:verify()
            job:register()
            siphon.log("after", job.image_id ~= nil)
          end,
        }]]
      file:close()
      local spec = volume { size = 8, data = { { 0, 1 } } }
      local events, done = copy(spec, "glance:own", "--policy", path .. ".lua")
      os.remove(path)
      os.remove(path .. ".lua")
      assert.equal("clone_flatten", done.route)
      local notes, reason = {}, nil
      for _, e in ipairs(events) do
        if e.state == "note" then notes[#notes + 1] = e.detail end
        if e.state == "chosen" then reason = e.reason end
      end
      assert.same({ "before true", "after true" }, notes)
      assert.equal("it is small", reason)
    end)
  end)

  it("prints plain lines into a pipe and ends with where the image is", function()
    local spec = volume()
    local result = command.run { "copy", spec, "glance:lines", "--pool", POOL }
    assert.equal(0, result.code)
    local id = result.out:match("Glance image (%x+%-[%x-]+) is active in pool images: 32 MiB in [%d.]+ s by route osd_copy, "
      .. "0 B through this host %(Cinder's upload%-to%-image would have moved about %d+ MiB%)\n$")
    made:expect_image(id)
    assert.is_string(id)
    assert.is_nil(result.out:find "[\27\r]")
    assert.equal(spec .. " -> glance:lines", result.out:match "^[^\n]+")
  end)

  it("tells progress at most ten times a second, up to the end", function()
    local spec = volume { size = 64, data = { { 0, 16 }, { 24, 16 }, { 48, 16 } } }
    local events = copy(spec, "glance:progress", "--max-rate", "64M")
    local seen, last = 0, nil
    for _, e in ipairs(events) do
      if e.event == "progress" then
        assert.is_true(e.done <= e.total)
        seen, last = seen + 1, e
      end
    end
    local seconds = events[#events].time - events[1].time
    assert.is_true(seen >= 2 and seen <= 10 * seconds + 2, ("%d reports in %.3f s"):format(seen, seconds))
    assert.equal(last.total, last.done)
  end)
end)
