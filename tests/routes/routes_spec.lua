-- Every route on the real bed: what it makes is what the volume holds, and nothing of the job stays.

local bed = require "support.bed"
local command = require "support.command"
local copies = require "support.copies"
local core = require "siphon.core"
local fences = require "support.fences"
local servers = require "support.servers"
local watches = require "support.watches"

local POOL = "images"

describe("the route", function()
  local before, barred
  local made = copies.new()

  setup(function()
    before, barred = bed.inventory(), fences.standing()
    bed.let_glance_read(bed.GLANCE_READS_VOLUMES)
  end)

  teardown(function()
    for _, id in ipairs(made.images) do watches.settle(bed.pool(POOL), id) end -- managers are killed here
    made:clean()
    bed.let_glance_read()
    fences.lift(barred) -- of the managers and the Glances that are killed here
    bed.assert_unchanged(before)
  end)

  local function volume(options) return made:volume(options) end
  local function copy(...) return made:copy(...) end

  local function assert_sealed(id)
    local info = bed.rbd(("info %s/%s"):format(POOL, id))
    assert.is_nil(info.parent)
    local snapshots = bed.rbd(("snap ls %s/%s"):format(POOL, id))
    assert.same({ "snap", "true" }, { snapshots[1].name, snapshots[1].protected })
    assert.is_nil(snapshots[2])
    assert.same({}, bed.rbd(("image-meta list %s/%s"):format(POOL, id)))
  end

  local function assert_source_untouched(spec)
    assert.same({}, bed.rbd("snap ls " .. command.quote(spec)))
  end

  describe("upload", function()
    it("sends the volume to Glance, which knows its checksum then", function()
      local spec = volume()
      local done = copy(spec, "glance:uploaded", "--route", "upload")
      local record = bed.glance_image(done.image_id)
      assert.equal("active", record.status)
      assert.equal(32 << 20, record.size)
      assert.equal(bed.md5(spec), record.checksum)
      assert.equal(bed.md5(spec), bed.glance_md5(done.image_id))
      assert_source_untouched(spec)
    end)

    it("is what the default does without the right to write to the images' pool", function()
      local spec = volume { size = 8, data = { { 0, 1 } } }
      local keyring = os.tmpname()
      bed.admin(("ceph auth get-or-create client.spec-reader mon 'profile rbd' osd 'profile rbd pool=volumes' -o %s")
        :format(keyring))
      local done = copy(spec, "glance:reader", "--pool", POOL, "--id", "spec-reader", "--keyring", keyring)
      bed.admin "ceph auth rm client.spec-reader"
      os.remove(keyring)
      assert.equal("upload", done.route)
      assert.equal(bed.md5(spec), bed.glance_md5(done.image_id))
    end)

    it("needs no pool to be known", function()
      local spec = volume { size = 8, data = { { 2, 1 } } }
      local done = copy(spec, "glance:unknown-pool", "--policy", "upload")
      assert.equal(bed.md5(spec), bed.glance_md5(done.image_id))
    end)
  end)

  describe("clone_flatten", function()
    it("has ceph-mgr flatten, and nothing passes through this host", function()
      local spec = volume()
      local done = copy(spec, "glance:by-mgr", "--pool", POOL, "--route", "clone_flatten", "--flatten", "mgr")
      assert.equal(0, done.bytes.through_host)
      assert.is_true(done.bytes.copied >= 7 << 20)
      assert.equal(bed.md5(spec), bed.glance_md5(done.image_id))
      assert_sealed(done.image_id)
      assert_source_untouched(spec)
    end)
  end)

  describe("instant", function()
    it("has an active image within two seconds or so, flattens it, then lets the source go", function()
      local spec = volume { size = 256, data = { { 0, 64 }, { 128, 64 } } }
      local md5 = bed.md5(spec)
      local done, events = copy(spec, "glance:instant", "--pool", POOL, "--route", "instant")
      local start, active, flat
      for _, e in ipairs(events) do
        if e.event == "job.start" then start = e.time end
        if e.step == "glance.active" and e.state == "done" then active = e.time - start end
        if e.step == "target.flatten" and e.state == "done" then flat = e.time - start end
      end
      -- One and a half on an idle machine; this one also runs the cluster, and whatever else is going on.
      assert.is_true(active < 20, ("active after %.1f s"):format(active))
      assert.is_true(flat > active)
      assert.equal(0, done.bytes.through_host)
      assert.equal(md5, bed.glance_md5(done.image_id))
      assert_sealed(done.image_id)
      assert_source_untouched(spec)
    end)

    it("flattens an RBD image too, once it has its name", function()
      local spec, target = volume(), "images/" .. bed.name "instant"
      local done, events = copy(spec, target, "--route", "instant")
      local ended = {}
      for i, e in ipairs(events) do
        if e.event == "step" and e.state == "done" then ended[e.step] = i end
      end
      assert.is_true(ended["target.publish"] < ended["target.flatten"])
      assert.equal(0, done.bytes.through_host)
      assert.is_nil(bed.rbd("info " .. target).parent)
      assert.equal(bed.md5(spec), bed.md5(target))
      assert_source_untouched(spec)
    end)

    it("goes on where it was when ceph-mgr restarts meanwhile", function()
      local spec = volume { size = 256, data = { { 0, 192 } } }
      local process = command.start { "copy", spec, "glance:restart", "--json", "--pool", POOL, "--route", "instant" }
      process:wait_for '"step":"target.flatten"'
      command.shell(("tests/testbed/testbed stop --dir %s --kill mgr"):format(bed.directory))
      command.shell(("tests/testbed/testbed start --dir %s mgr"):format(bed.directory))
      local result = process:wait(300)
      assert.equal("", result.err)
      local events = command.events(result.out)
      local done = events[#events]
      assert.equal("job.done", done.event)
      made:expect_image(done.image_id)
      assert.equal(bed.md5(spec), bed.glance_md5(done.image_id))
      assert_sealed(done.image_id)
      assert_source_untouched(spec)
    end)

    it("interrupted while ceph-mgr flattens, is undone, the task too", function()
      local spec = volume { size = 512, data = { { 0, 384 } } }
      local process = command.start({ "copy", spec, "glance:undone", "--json", "--pool", POOL, "--route", "instant" },
        { env = { SIPHON_FAULT = "stop target.flatten/rados.mgr_command" } })
      process:wait_until_stopped()
      process:signal "INT"
      process:signal "CONT"
      local result = process:wait(200)
      assert.equal(130, result.code)
      assert.same({}, bed.glance_images "undone")
      assert.equal("[]", bed.admin "ceph rbd task list":match "%S+")
      assert_source_untouched(spec)
    end)
  end)

  describe("of the operator's own", function()
    it("is found on the policy path and runs as siphon's do, its hashes made up for", function()
      local spec, directory = volume(), command.shell "mktemp -d":match "%S+"
      command.shell(("mkdir %s/routes"):format(directory))
      servers.write_file(directory .. "/routes/forgetful.lua", [[
        local copy = require "siphon.routes.copy"
        return {
          summary = "as copy does, but forgets its hashes", applies = copy.applies, cost = copy.cost, steps = copy.steps,
          hashes = true,
          run = function(job)
            copy.run(job)
            job.hash = nil
          end,
        }]])
      finally(function() command.shell("rm -r " .. directory) end)
      local result = command.run({ "copy", spec, "glance:own-route", "--json", "--pool", POOL, "--route", "forgetful", "--hash",
        "sha512" }, { env = { SIPHON_POLICY_PATH = directory } })
      assert.equal("", result.err)
      local done = command.events(result.out)
      done = done[#done]
      made:expect_image(done.image_id)
      assert.equal("forgetful", done.route)
      assert.same({ bed.md5(spec), bed.md5(spec) }, { done.hash.checksum, bed.glance_md5(done.image_id) })
      assert.equal(done.hash.os_hash_value, bed.glance_image(done.image_id).os_hash_value)
    end)
  end)

  describe("clone", function()
    it("leaves the image leaning on a snapshot of the volume, and says so", function()
      local spec, name = volume()
      local done, events = copy(spec, "glance:leaning", "--pool", POOL, "--route", "clone")
      assert.equal(0, done.bytes.copied)
      assert.equal(name, bed.rbd(("info %s/%s"):format(POOL, done.image_id)).parent.image)
      local snapshots = bed.rbd("snap ls " .. spec)
      assert.same({ "siphon-" .. done.job, "true" }, { snapshots[1].name, snapshots[1].protected })
      local said = false
      for _, e in ipairs(events) do said = said or e.state == "note" and e.detail:find "stays" ~= nil end
      assert.is_true(said)
      assert.equal(bed.md5(spec), bed.glance_md5(done.image_id))
    end)
  end)

  describe("deep_copy", function()
    it("takes the snapshots along, but not its own", function()
      local spec, name = volume()
      local first = bed.md5(spec)
      command.shell(("rbd snap create --no-progress %s@monday"):format(spec))
      do
        local image <close> = assert(core.rbd.open(bed.pool "volumes", name, { read_only = false }))
        assert(image:write(1 << 20, ("later"):rep(1000)))
      end
      local target = "volumes/" .. bed.name "deep"
      local done = copy(spec, target, "--route", "deep_copy")
      assert.equal("deep_copy", done.route)
      assert.equal(bed.md5(spec), bed.md5(target))
      assert.equal(first, bed.md5(target .. "@monday"))
      assert.equal(1, #bed.rbd("snap ls " .. target))
    end)
  end)

  describe("convert", function()
    -- What Glance gives, compared by qemu-img with what the volume holds.
    local function compare(spec, id, driver)
      local directory = command.shell "mktemp -d":match "%S+"
      command.shell(("rbd export --no-progress %s %s/raw && curl -sSf %s/v2/images/%s/file -o %s/image"):format(spec,
        directory, bed.url, id, directory))
      local answer = command.shell(("qemu-img compare -f raw -F %s %s/raw %s/image"):format(driver, directory, directory))
      command.shell("rm -r " .. directory)
      assert.matches("Images are identical", answer)
    end

    for format, driver in pairs { qcow2 = "qcow2", vmdk = "vmdk", vdi = "vdi", vhd = "vpc", vhdx = "vhdx" } do
      it("makes a " .. format .. " image with the volume's contents, and leaves no scratch file", function()
        local spec = volume()
        local scratch = command.shell "mktemp -d":match "%S+"
        local done = copy(spec, "glance:as-" .. format, "--disk-format", format, "--scratch", scratch)
        assert.equal("convert", done.route)
        local record = bed.glance_image(done.image_id)
        assert.same({ "active", format }, { record.status, record.disk_format })
        compare(spec, done.image_id, driver)
        command.shell("rmdir " .. scratch)
        assert_source_untouched(spec)
      end)
    end

    it("compresses, and hands options of the format on", function()
      local spec = "volumes/" .. bed.name "text"
      made:expect(spec)
      command.shell(("yes siphon | head -c 32M | rbd import --no-progress - %s"):format(spec))
      local done = copy(spec, "glance:small", "--disk-format", "qcow2", "--compress", "--format-options", "cluster_size=512K")
      assert.is_true(bed.glance_image(done.image_id).size < 8 << 20)
      compare(spec, done.image_id, "qcow2")
    end)

    it("says what qemu-img complained of, and undoes all", function()
      local spec = volume { size = 8, data = { { 0, 1 } } }
      local result = command.run { "copy", spec, "glance:bad", "--disk-format", "qcow2", "--format-options", "nonsense=1" }
      assert.equal(69, result.code)
      assert.matches("qemu%-img: .*nonsense", result.err)
      assert.same({}, bed.glance_images "bad")
      assert_source_untouched(spec)
    end)

    it("interrupted, stops qemu-img and removes its file", function()
      local spec = volume { size = 512, data = { { 0, 256 } } }
      command.shell(("rbd image-meta set %s conf_rbd_qos_bps_limit 16777216"):format(spec)) -- for qemu-img
      local scratch = command.shell "mktemp -d":match "%S+"
      local process = command.start { "copy", spec, "glance:stopped", "--disk-format", "qcow2", "--compress", "--scratch",
        scratch, "--json" }
      process:wait_for '"step":"scratch.convert"'
      os.execute "sleep 0.5"
      process:signal "INT"
      assert.equal(130, process:wait(100).code)
      command.shell("rmdir " .. scratch)
      assert.same({}, bed.glance_images "stopped")
      assert_source_untouched(spec)
    end)
  end)

  describe("when Glance dies in the middle of it,", function()
    local function glance(verb)
      command.shell(("tests/testbed/testbed %s --dir %s%s glance"):format(verb, bed.directory, verb == "stop" and " --kill" or ""))
    end

    local function assert_nothing_left(result, spec, name)
      assert.equal(69, result.code, result.err)
      assert.matches("http%.", result.err)
      assert.is_nil(result.err:find "left behind", result.err)
      assert.same({}, bed.glance_images(name))
      assert_source_untouched(spec)
    end

    it("upload says so, and leaves nothing once Glance is back", function()
      local spec = volume { size = 768, data = { { 0, 16 } } }
      local process = command.start({ "copy", spec, "glance:dying", "--json", "--pool", POOL, "--route", "upload" },
        { env = { SIPHON_FAULT = "stop glance.upload/glance.call/half" } })
      process:wait_until_stopped()
      glance "stop"
      process:signal "CONT"
      glance "start"
      local result = process:wait(200)
      assert_nothing_left(result, spec, "dying")
    end)

    it("copy says so, and leaves nothing once Glance is back", function()
      local spec = volume()
      local process = command.start({ "copy", spec, "glance:dying-too", "--json", "--pool", POOL, "--route", "copy" },
        { env = { SIPHON_FAULT = "stop source.snapshot/rbd.snap_create" } })
      process:wait_until_stopped()
      glance "stop"
      process:signal "CONT"
      process:wait_for '"state":"undone"'
      glance "start"
      assert_nothing_left(process:wait(200), spec, "dying-too")
    end)
  end)
end)
