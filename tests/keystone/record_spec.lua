-- What a copy makes of the Glance record: new ones with all that was asked for, and ones that were there before.

local bed = require "support.keystone_bed"
local command = require "support.command"
local eventually = require "support.eventually"

-- A policy that fails once the copy is sealed, or, with `register`, once it is registered.
local function with_broken_policy(register, fn)
  local path = os.tmpname()
  local file = assert(io.open(path .. ".lua", "w"))
  file:write(([[
    --- Fails on purpose.
    return {
      routes = function() return { "copy" } end,
      after = function(job)
        job:seal()
        %s
        error "broken on purpose"
      end,
    }]]):format(register and "job:register()" or ""))
  file:close()
  local event = fn(path .. ".lua")
  os.remove(path)
  os.remove(path .. ".lua")
  return event
end

describe("the Glance record of a copy", function()
  local made, client
  setup(function()
    bed.up()
    made, client = bed.collector(), bed.client "demo"
  end)
  teardown(function() made.clean() end)

  local function done(event)
    assert.equal("job.done", event.event, event.error and event.error.message)
    return made.image(event.image_id)
  end

  it("says all that was asked for", function()
    local id = done(bed.copy("demo", made.volume(), "glance:full", "--property", "hw_disk_bus=scsi", "--property",
      "a/b~c=1=2", "--property", "empty=", "--tag", "one", "--tag", "two", "--min-ram", "64", "--min-disk", "7", "--protected",
      "--hidden", "--visibility", "community"))
    local image = assert(client:show(id))
    assert.same({ "scsi", "1=2", "" }, { image.hw_disk_bus, image["a/b~c"], image.empty })
    table.sort(image.tags)
    assert.same({ "one", "two" }, image.tags)
    assert.same({ 64, 7, true, true, "community" },
      { image.min_ram, image.min_disk, image.protected, image.os_hidden, image.visibility })
  end)

  it("has the volume's size in GiB, rounded up, for its smallest disk", function()
    local source = made.volume()
    bed.rbd(("resize --no-progress --size 1025M %s"):format(source))
    assert.equal(2, client:show(done(bed.copy("demo", source, "glance:large"))).min_disk)
  end)

  it("is undone also when the image is protected already", function()
    local event = with_broken_policy(true, function(policy)
      return (bed.copy("demo", made.volume(), "glance:protected", "--protected", "--policy", policy))
    end)
    assert.equal("job.failed", event.event)
    assert.same({}, event.left_behind)
    assert.same({}, client:list { name = "protected" })
  end)

  describe("that was there before", function()
    local function queued(fields)
      fields.name = fields.name or "cinder's"
      return made.image(assert(client:create(fields)).id)
    end

    it("gets the data, and what it lacks", function()
      local id = queued { disk_format = "raw", container_format = "bare", kept = "yes", min_disk = 3 }
      local source = made.volume()
      local result = bed.run("demo", { "copy", source, "--existing-image", id:upper(), "--pool", "images", "--json",
        "--property", "new=1" })
      assert.equal("", result.err)
      local image = assert(client:show(id))
      assert.same({ "active", "yes", "1", 3 }, { image.status, image.kept, image.new, image.min_disk })
      assert.equal(bed.md5(source), bed.glance_md5("demo", id))
    end)

    it("gets its formats where it has none", function()
      local id = queued {}
      assert.equal("job.done", (bed.copy("demo", made.volume(), "glance:cinder's", "--existing-image", id)).event)
      local image = assert(client:show(id))
      assert.same({ "raw", "bare", 1 }, { image.disk_format, image.container_format, image.min_disk })
    end)

    it("is put back to what it was when the copy fails, never deleted", function()
      local id = queued { kept = "old", tags = { "a" }, min_ram = 5 }
      local before = assert(client:show(id))
      local event = with_broken_policy(false, function(policy)
        return (bed.copy("demo", made.volume(), "glance:cinder's", "--existing-image", id, "--property", "kept=new",
          "--property", "added=1", "--tag", "b", "--min-ram", "9", "--policy", policy))
      end)
      assert.equal("job.failed", event.event)
      assert.same({}, event.left_behind)
      local after = assert(client:show(id))
      before.updated_at, after.updated_at = nil, nil
      assert.same(before, after)
    end)

    it("stays, with its data, when what comes after the registration fails", function()
      local id = queued {}
      local event = bed.copy("demo", made.volume(), "glance:cinder's", "--existing-image", id, "--store", "ceph", "--store", "fs")
      assert.equal("job.failed", event.event)
      assert.equal("glance.forbidden", event.error.code)
      assert.truthy(event.error.message:find("copy_image", 1, true))
      assert.equal("active", client:show(id).status)
      assert.truthy(event.error.message:find("left behind: data of the Glance image", 1, true), event.error.message)
    end)

    it("is refused when it cannot be given data", function()
      local source = made.volume()
      local function refused(code, text, target, id, cloud)
        local event, _, result = bed.copy(cloud or "demo", source, target, "--existing-image", id)
        assert.equal(code, event.error.code)
        assert.truthy(event.error.message:find(text, 1, true), event.error.message)
        assert.equal(65, result.code)
      end
      local id = queued {}
      refused("glance.conflict", "is named 'cinder's', not 'mine'", "glance:mine", id)
      refused("glance.not_found", "does not see it", "glance:mine", id, "other")
      refused("glance.not_found", "no Glance image", "glance:mine", "0a0a0a0a-0000-4000-8000-000000000000")
      assert.equal("job.done", (bed.copy("demo", source, "glance:cinder's", "--existing-image", id)).event)
      refused("glance.conflict", "is active", "glance:cinder's", id)
    end)
  end)

  describe("in several stores", function()
    it("is what examples/fan_out.lua makes, naming the store that fails", function()
      local source = made.volume()
      local result = bed.run(nil, { "run", "examples/fan_out.lua", source, "fan-out", "fs", "nowhere" },
        { OS_CLOUD = "admin", GLANCE_POOL = "images" })
      assert.equal("", result.err)
      local id = made.image(result.out:match "^[%x-]+")
      assert.equal(1, result.code)
      assert.matches("\nfs: there\nnowhere: ", result.out)
      assert.equal(2, #assert(bed.client("admin"):show(id)).locations)
    end)

    it("has the location in one and lets Glance copy the data to the others", function()
      local source = made.volume()
      local id = done(bed.copy("admin", source, "glance:stores", "--store", "fs", "--store", "ceph"))
      local image = assert(bed.client("admin"):show(id))
      local stores = {}
      for store in image.stores:gmatch "[^,]+" do stores[store] = true end
      assert.same({ ceph = true, fs = true }, stores)
      assert.equal(2, #image.locations)
      assert.equal(bed.md5(source), bed.glance_md5("admin", id))
    end)

    it("has Glance store it where that is no RBD store, whether its type is told or not", function()
      for _, cloud in ipairs { "admin", "demo" } do
        local source = made.volume()
        local result = bed.run(cloud, { "copy", source, "glance:in-fs", "--store", "fs", "--json" })
        assert.equal("", result.err)
        local id = done(command.events(result.out)[#command.events(result.out)])
        local image = assert(bed.client(cloud):show(id))
        assert.equal("fs", image.stores)
        assert.equal(bed.md5(source), image.checksum)
      end
    end)

    it("names those that there are", function()
      local event = bed.copy("admin", made.volume(), "glance:none", "--store", "cephh")
      assert.equal("usage", event.error.code)
      assert.truthy(event.error.message:find("did you mean 'ceph'? (stores: ceph, fs)", 1, true), event.error.message)
    end)

    it("is deleted again when Glance may not copy it", function()
      local event = bed.copy("demo", made.volume(), "glance:refused", "--store", "ceph", "--store", "fs")
      assert.equal("glance.forbidden", event.error.code)
      assert.same({}, event.left_behind)
    end)
  end)

  it("takes data by stage and import as well", function()
    local image = assert(client:create { name = "staged", disk_format = "raw", container_format = "bare" })
    made.image(image.id)
    local methods = assert(client:import_methods())
    assert.truthy(table.concat(methods, " "):find("glance-direct", 1, true))
    local data = ("x"):rep(1 << 20)
    assert(client:stage(image.id, data))
    assert(client:import(image.id, { method = "glance-direct", stores = { "fs" } }))
    assert(client:wait_import(image.id, { "fs" }, { timeout = 60 }))
    assert.equal(data, client:download(image.id))
    -- It says so after the image is active.
    eventually("the task's success", function() return assert(client:tasks(image.id))[1].status == "success" end)
    local again, err = client:stage(image.id, data)
    assert.is_nil(again)
    assert.equal("glance.conflict", err.code)
  end)
end)
