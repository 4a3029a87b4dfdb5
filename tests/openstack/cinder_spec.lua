-- Cinder's upload-to-image with examples/cinder's driver, on the real Cinder, Keystone and Glance: `make check-openstack`.
local bed = require "support.keystone_bed"
local cinder = require "support.cinder"
local command = require "support.command"
local core = require "siphon.core"

local BUILD = os.getenv "SIPHON_BUILD" or "build"
local MIB <const> = 1 << 20

local LIBRARY = command.shell(("readlink -f %s/lib/libsiphon.so.0"):format(BUILD)):match "%S+"
local DRIVER = {
  "ceph.volume_driver=siphon_rbd.SiphonRBDDriver", "ceph.siphon_image_pool=images", "ceph.siphon_library=" .. LIBRARY,
  "ceph.siphon_look_interval=1",
}

local function use_driver(...)
  local settings = table.move(DRIVER, 1, #DRIVER, 1, {})
  bed.set_cinder(table.unpack(table.move({ ... }, 1, select("#", ...), #settings + 1, settings)))
end

-- What Cinder has logged since the last look.
local seen = 0
local function log()
  local file <close> = assert(io.open(bed.directory .. "/log/cinder.log"))
  file:seek("set", seen)
  local text = file:read "a"
  seen = file:seek()
  return text
end

describe("Cinder with siphon's driver", function()
  local before, volumes, images, glance

  setup(function()
    bed.up("--cinder")
    use_driver()
    glance = bed.client "demo"
  end)

  before_each(function()
    before, volumes, images = bed.inventory(), {}, {}
    log()
  end)

  after_each(function()
    for _, id in ipairs(images) do bed.delete_image(id) end
    for i = #volumes, 1, -1 do cinder.delete(volumes[i]) end
    assert.equal(before, bed.inventory())
  end)

  local function write(id, offset, length)
    local cluster <close> = assert(core.rados.connect { conf = bed.env.CEPH_CONF, id = "siphon" })
    local pool <close> = assert(cluster:pool "volumes")
    local image <close> = assert(core.rbd.open(pool, "volume-" .. id, { read_only = false }))
    local random <close> = assert(io.open("/dev/urandom", "rb"))
    for at = offset, offset + length - 1, 4 * MIB do
      assert(image:write(at, random:read(math.min(4 * MIB, offset + length - at))))
    end
  end

  -- A volume with `data` MiB of random bytes (default 24).
  local function volume(fields, data)
    local id = cinder.volume(fields)
    volumes[#volumes + 1] = id
    write(id, 8 * MIB, (data or 24) * MIB)
    return id
  end

  local function upload(id, fields)
    local image = cinder.upload(id, fields)
    images[#images + 1] = image
    return image
  end

  -- Glance's policy for locations, as many sites have it; returns what takes it back. oslo.policy looks at each request, but
  -- keeps a rule whose file is gone.
  local function only_admins_register()
    local path = bed.directory .. "/glance/etc/policy.d/set_image_location.yaml"
    local file <close> = assert(io.open(path, "w"))
    file:write '"set_image_location": "role:admin"\n'
    return function()
      os.remove(path)
      bed.set_glance()
    end
  end

  local function uploaded(id, fields)
    local image = upload(id, fields)
    cinder.settled(id, "available")
    return image, assert(glance:show(image))
  end

  it("makes an image inside the cluster, and gives the volume back", function()
    local id = volume()
    local image, record = uploaded(id)
    assert.equal("active", record.status)
    assert.matches("^rbd://", record.direct_url)
    assert.is_nil(record.checksum) -- nothing has passed through Glance
    assert.equal(bed.md5(cinder.spec(id)), bed.glance_md5("demo", image))
    assert.equal("", bed.rbd("snap ls " .. cinder.spec(id)))
    local text = log()
    assert.matches("siphon: chosen: route ", text)
    assert.matches("siphon: 100%% of the data copied", text)
    assert.matches("siphon: image " .. image:gsub("%-", "%%-") .. " is active: route ", text)
  end)

  it("makes an image that Cinder clones, and that goes in any order", function()
    local id = volume()
    local image = uploaded(id)
    local sum = bed.md5(cinder.spec(id))
    local clone = cinder.volume { imageRef = image }
    table.insert(volumes, 1, clone)
    assert.matches("parent: images/" .. image:gsub("%-", "%%-") .. "@snap", bed.rbd("info " .. cinder.spec(clone)))
    assert.equal(sum, bed.md5(cinder.spec(clone)))
    cinder.delete(table.remove(volumes)) -- the source first
    local ok, err = glance:delete(image)
    -- As with any image that has clones: 409, or 500 where Glance's Ceph user may not look into the volumes' pool.
    assert.is_nil(ok)
    assert.is_true(err:is("glance.conflict", "glance.server"), err.code)
    assert.equal("active", assert(glance:show(image)).status)
    assert.equal(sum, bed.md5(cinder.spec(clone)))
    cinder.delete(table.remove(volumes))
    assert(glance:delete(table.remove(images)))
  end)

  it("makes a qcow2 image", function()
    local id = volume()
    local image, record = uploaded(id, { disk_format = "qcow2" })
    assert.same({ "active", "qcow2" }, { record.status, record.disk_format })
    local path = os.tmpname()
    finally(function() os.remove(path) end)
    assert(glance:download(image, { file = path }))
    local sum = command.shell(("qemu-img convert -f qcow2 -O raw %s %s.raw && md5sum <%s.raw && rm %s.raw"):format(path, path,
      path, path))
    assert.equal(bed.md5(cinder.spec(id)), sum:match "^%x+")
    assert.matches("siphon: chosen: route convert", log())
  end)

  it("takes one that is in use, when forced", function()
    local id = volume()
    cinder.action(id, "os-reserve", {})
    cinder.action(id, "os-attach", { instance_uuid = "6c5a5e0f-3b4f-4f0b-9d3c-0f5c6a1f7d11", mountpoint = "/dev/vdb" })
    cinder.settled(id, "in-use")
    finally(function()
      cinder.action(id, "os-detach", {})
      cinder.settled(id, "available")
      for i = #images, 1, -1 do bed.delete_image(table.remove(images, i)) end
      cinder.delete(table.remove(volumes))
    end)
    local image = upload(id, { force = true })
    cinder.settled(id, "in-use")
    assert.equal("active", assert(glance:show(image)).status)
    assert.equal(bed.md5(cinder.spec(id)), bed.glance_md5("demo", image))
    assert.matches("siphon: chosen: route ", log())
  end)

  it("copies an encrypted volume as it is, with a key of its own", function()
    local type = cinder.done("POST", "/types", { user = "admin", json = { volume_type = { name = "luks" } } }).volume_type.id
    finally(function()
      for i = #images, 1, -1 do bed.delete_image(table.remove(images, i)) end
      for i = #volumes, 1, -1 do cinder.delete(table.remove(volumes, i)) end
      cinder.done("DELETE", "/types/" .. type, { user = "admin" })
    end)
    cinder.done("POST", "/types/" .. type .. "/encryption", { user = "admin", json = { encryption = {
      provider = "luks", cipher = "aes-xts-plain64", key_size = 256, control_location = "front-end",
    } } })
    local id = cinder.volume { volume_type = "luks" }
    volumes[#volumes + 1] = id
    local image, record = uploaded(id)
    assert.equal("active", record.status)
    assert.is_string(record.cinder_encryption_key_id)
    assert.equal(bed.md5(cinder.spec(id)), bed.glance_md5("demo", image))
    assert.matches("siphon: chosen: route ", log())
  end)

  it("takes the way that siphon_route names", function()
    use_driver "ceph.siphon_route=copy"
    finally(use_driver)
    local id = volume()
    local image = uploaded(id)
    assert.equal(bed.md5(cinder.spec(id)), bed.glance_md5("demo", image))
    assert.matches("siphon: chosen: route copy", log())
  end)

  -- What Cinder keeps under another name than the volume's id, after a migration of a volume in use.
  it("finds the data of one that was migrated", function()
    local id, moved = volume(), "0f6ab3c2-9e0f-4c6e-8a39-5d4c1f6e7b20"
    local sum = bed.md5(cinder.spec(id))
    bed.rbd(("rename %s %s"):format(cinder.spec(id), cinder.spec(moved)))
    command.shell(([[sqlite3 %s/cinder/cinder.sqlite "UPDATE volumes SET _name_id = '%s' WHERE id = '%s'"]]):format(
      bed.directory, moved, id))
    local image = uploaded(id)
    assert.equal(sum, bed.glance_md5("demo", image))
    assert.matches("siphon: chosen: route ", log())
  end)

  local SLOW <const> = 40 -- MiB, of which the policy lets one a second be copied

  local function slow_policy()
    local path = os.tmpname()
    local file <close> = assert(io.open(path, "w"))
    assert(file:write [[return { routes = siphon.policy "default".routes, osd_copy = { max_rate = 1 << 20 } }]])
    return path
  end

  describe("whose user's token expires in mid-job", function()
    local LIFE <const> = 20 -- seconds
    local policy

    setup(function()
      policy = slow_policy()
      bed.set_keystone("token.expiration=" .. LIFE)
      bed.client("demo").auth:invalidate() -- the next one is of that kind
    end)

    teardown(function()
      bed.set_keystone()
      use_driver()
      os.remove(policy)
    end)

    it("goes on, where Cinder's service user vouches for it", function()
      use_driver("ceph.siphon_policy=" .. policy, "service_user.send_service_user_token=true",
        "service_user.auth_type=password", "service_user.auth_url=" .. bed.keystone,
        "service_user.username=" .. bed.env.TESTBED_SERVICE_USERNAME,
        "service_user.password=" .. bed.env.TESTBED_SERVICE_PASSWORD,
        "service_user.project_name=" .. bed.env.TESTBED_SERVICE_PROJECT_NAME, "service_user.user_domain_id=default",
        "service_user.project_domain_id=default")
      local id = volume(nil, SLOW)
      bed.client("demo").auth:invalidate()
      local image = uploaded(id)
      assert.equal("active", assert(glance:show(image)).status)
      assert.equal(bed.md5(cinder.spec(id)), bed.glance_md5("demo", image))
      local seconds = log():match "siphon: image [%x-]+ is active: route osd_copy, [^\n]- ([%d.]+) s"
      assert.is_true(tonumber(seconds) > LIFE, seconds)
    end)

    it("ends otherwise, as any upload by Cinder, and says so", function()
      use_driver("ceph.siphon_policy=" .. policy)
      local id = volume(nil, SLOW)
      bed.client("demo").auth:invalidate()
      local image = upload(id)
      cinder.settled(id, "available")
      assert.equal("queued", assert(glance:show(image)).status) -- Cinder has no token either to delete it with
      assert.equal("", bed.rbd "ls images")
      assert.equal("", bed.rbd("snap ls " .. cinder.spec(id)))
      local text = log()
      assert.matches("siphon: image [^\n]+ token is missing, wrong or expired", text)
      -- What is Glance's stays on the job's record until somebody comes with a token.
      local undone = bed.run("demo", { "undo", assert(text:match "`siphon undo (%S+)`", text), "-q" })
      assert.equal(0, undone.code, undone.err)
    end)
  end)

  it("is cancelled by deleting the image", function()
    local policy = slow_policy()
    use_driver("ceph.siphon_policy=" .. policy)
    finally(function()
      use_driver()
      os.remove(policy)
    end)
    local id = volume(nil, SLOW)
    local image = cinder.upload(id)
    cinder.wait("the copy to begin", function() return bed.rbd "ls images":find(image, 1, true) end)
    assert(glance:delete(image))
    cinder.settled(id, "available")
    assert.equal("", bed.rbd "ls images")
    assert.equal("", bed.rbd("snap ls " .. cinder.spec(id)))
    assert.matches("siphon: undone: ", log())
  end)

  it("tells the user when there is no room", function()
    local id = volume()
    local admin = ("tests/testbed/testbed admin --dir %s ceph osd pool set-quota images max_bytes "):format(bed.directory)
    command.shell(admin .. 8 * MIB)
    finally(function() command.shell(admin .. 0) end)
    local image = cinder.upload(id)
    cinder.settled(id, "available")
    assert.is_nil((glance:show(image))) -- as Cinder has it: an image without data goes
    local message = cinder.wait("a message", function()
      return cinder.done("GET", "/messages?resource_uuid=" .. id).messages[1]
    end)
    assert.matches("exceeds available space", message.user_message)
    assert.equal("", bed.rbd "ls images")
  end)

  it("passes tempest's test of uploads", function()
    local output = command.shell(("tests/openstack/tempest %s %s"):format(bed.directory,
      "tempest.api.volume.test_volumes_actions.VolumesActionsTest.test_volume_upload"))
    assert.matches("Passed: 1\n", output)
    assert.matches("siphon: image [%x-]+ is active", log())
  end)

  it("registers as another user, where members may not, and asks Glance for its pool", function()
    local allow = only_admins_register()
    use_driver("ceph.siphon_os_cloud=admin", "ceph.siphon_image_pool=")
    finally(function()
      allow()
      use_driver()
    end)
    local id = volume()
    local image, record = uploaded(id)
    assert.equal("active", record.status)
    assert.is_nil(record.checksum)
    assert.equal(bed.md5(cinder.spec(id)), bed.glance_md5("demo", image))
  end)

  describe("where siphon's way is not open", function()
    it("which members find out by Glance's refusal, and their volumes are uploaded as ever", function()
      finally(only_admins_register())
      local id = volume()
      local image, record = uploaded(id)
      assert.equal("active", record.status)
      assert.is_string(record.checksum)
      assert.equal(bed.md5(cinder.spec(id)), bed.glance_md5("demo", image))
      assert.matches("siphon is not used for image [^\n]+set_image_location", log())
    end)

    it("which a container is that is not bare", function()
      local id = volume()
      local image, record = uploaded(id, { container_format = "ovf" })
      assert.same({ "active", "ovf" }, { record.status, record.container_format })
      assert.equal(bed.md5(cinder.spec(id)), bed.glance_md5("demo", image))
      assert.matches("siphon is not used for image [^\n]+ the container is ovf, not bare", log())
    end)

    it("uploads as the RBD driver does, and says why", function()
      use_driver "ceph.siphon_library=/nowhere/libsiphon.so"
      finally(use_driver)
      local id = volume()
      local image, record = uploaded(id)
      assert.equal("active", record.status)
      assert.is_string(record.checksum)
      assert.equal(bed.md5(cinder.spec(id)), bed.glance_md5("demo", image))
      assert.matches("siphon is not used for image [^\n]+/nowhere/libsiphon.so", log())
    end)

    it("or fails, with a message, where that is not wanted", function()
      use_driver("ceph.siphon_fallback=false", "ceph.siphon_rbd_user=glance") -- who may not read volumes
      finally(use_driver)
      local id = volume()
      local image = cinder.upload(id)
      cinder.settled(id, "available")
      assert.is_nil((glance:show(image)))
      local messages = cinder.done("GET", "/messages?resource_uuid=" .. id).messages
      assert.matches("[Ff]ailed to upload", messages[1].user_message)
    end)
  end)
end)
