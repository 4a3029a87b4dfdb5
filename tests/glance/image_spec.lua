--- Glance and RBD images, on the bed: data through Glance, and locations without it.

local clouds = require "siphon.clouds"
local core = require "siphon.core"
local spec = require "siphon.spec"

local rbd, task = core.rbd, require "siphon.task"

local MIB = 1 << 20

describe("siphon.glance with RBD images", function()
  local client, cluster, volumes, images, made, names
  local counter = 0

  setup(function()
    client = assert(clouds.connect())
    cluster = assert(core.rados.connect {})
    volumes, images = assert(cluster:pool "volumes"), assert(cluster:pool "images")
  end)
  teardown(function()
    volumes:close()
    images:close()
    cluster:close()
  end)
  before_each(function() made, names = {}, {} end)
  after_each(function()
    for _, id in ipairs(made) do
      local ok, err = client:delete(id)
      assert(ok or err:is "glance.not_found", err)
    end
    for _, one in ipairs(names) do
      local image, err = rbd.open(one.pool, one.name, { read_only = false })
      if image then
        for _, snapshot in ipairs(assert(image:snapshots())) do
          if snapshot.protected then assert(image:snapshot_unprotect(snapshot.name)) end
          assert(image:snapshot_remove(snapshot.name))
        end
        image:close()
        assert(rbd.remove(one.pool, one.name))
      else
        assert(err:is "ENOENT", err)
      end
    end
  end)

  local function create_record(fields)
    fields = fields or {}
    fields.name, fields.disk_format, fields.container_format = "glance-image-spec", "raw", "bare"
    local image = assert(client:create(fields))
    made[#made + 1] = image.id
    return image.id
  end

  local function random(n)
    local file <close> = io.open("/dev/urandom", "rb")
    return file:read(n)
  end

  -- A new image with some data, and that data.
  local function create_image(pool, name, size)
    counter = counter + 1
    name = name or ("glance-image-spec-%d-%d"):format(core.system.pid(), counter)
    assert(rbd.create(pool, name, { size = size }))
    names[#names + 1] = { pool = pool, name = name }
    local image <close> = assert(rbd.open(pool, name, { read_only = false }))
    local data = random(size // 3) .. ("\0"):rep(size // 3)
    data = data .. random(size - #data)
    assert(image:write(0, data))
    return name, data
  end

  local function seal(pool, name)
    local image <close> = assert(rbd.open(pool, name, { read_only = false }))
    assert(image:snapshot_create "snap")
    assert(image:snapshot_protect "snap")
  end

  it("uploads a snapshot and downloads it into another image", function()
    local name, data = create_image(volumes, nil, 20 * MIB + 12345)
    do
      local head <close> = assert(rbd.open(volumes, name, { read_only = false }))
      assert(head:snapshot_create "s")
      assert(head:write(0, random(MIB)))
    end
    local id = create_record()
    do
      local at <close> = assert(rbd.open(volumes, name, { snapshot = "s" }))
      local last
      assert(client:upload(id, at, { progress = function(done, total) last = { done, total } end }))
      assert.same({ #data, #data }, last)
    end
    assert.equal(#data, assert(client:wait(id)).size)
    assert.is_true(data == assert(client:download(id, nil, { max_body = 64 * MIB })))

    local copy, old = create_image(volumes, nil, 32 * MIB)
    local target <close> = assert(rbd.open(volumes, copy, { read_only = false }))
    assert.equal(#data, assert(client:download(id, target)))
    assert.is_true(data == assert(target:read(0, #data)))
    assert.is_true(old:sub(#data + 1) == assert(target:read(#data, 32 * MIB - #data)))
  end)

  it("uploads several at once", function()
    local name = create_image(volumes, nil, 8 * MIB)
    local image <close> = assert(rbd.open(volumes, name))
    local functions = {}
    for i = 1, 4 do
      functions[i] = function()
        local id = create_record()
        assert(client:upload(id, image))
        return assert(client:wait(id)).checksum
      end
    end
    local sums = task.gather(functions)
    for i = 2, 4 do assert.equal(sums[1], sums[i]) end
  end)

  it("gives the RBD's error when the image to download to is too small", function()
    local id = create_record()
    assert(client:upload(id, ("x"):rep(2 * MIB)))
    local name = create_image(volumes, nil, MIB)
    local target <close> = assert(rbd.open(volumes, name, { read_only = false }))
    local result, err = client:download(id, target)
    assert.is_nil(result)
    assert.equal("http.too_large", err.code)
    assert.equal(name, err.where.image)
    assert.equal(id, err.where.image_id)
  end)

  it("cancels an upload; the image falls back to queued", function()
    local name = create_image(volumes, nil, 60 * MIB)
    local id = create_record()
    do
      local image <close> = assert(rbd.open(volumes, name))
      local uploading
      uploading = task.spawn(function()
        return client:upload(id, image, { progress = function(done, total)
          if done < total then uploading:cancel() end
        end })
      end)
      local ok, err = pcall(uploading.join, uploading)
      assert.is_false(ok)
      assert.equal("cancelled", err.code)
    end
    assert.is_not.equal("active", assert(client:show(id)).status)
  end)

  describe("add_location", function()
    local function location(pool, image, snapshot)
      return spec.location(cluster.fsid, pool, image, snapshot)
    end

    it("makes an image of what lies in the store; deleting it removes that", function()
      local id = create_record()
      local _, data = create_image(images, id, 5 * MIB)
      seal(images, id)
      local image = assert(client:add_location(id, { url = location("images", id, "snap") }))
      assert.same({ "active", 5 * MIB, "ceph" }, { image.status, image.size, image.stores })
      assert.equal(location("images", id, "snap"), image.locations[1].url)
      assert.equal("active", assert(client:wait(id)).status)
      assert.is_true(data == assert(client:download(id)))
      local result, err = client:add_location(id, { url = location("images", id, "snap") })
      assert.is_nil(result)
      assert.equal("glance.bad_request", err.code)
      assert.truthy(err.message:find("the image has this location", 1, true))
      assert.is_true(client:delete(id))
      local gone, problem = rbd.open(images, id)
      assert.is_nil(gone)
      assert.equal("ENOENT", problem.code)
    end)

    it("keeps the hashes it is told", function()
      local id = create_record()
      create_image(images, id, MIB)
      seal(images, id)
      local image = assert(client:add_location(id, { url = location("images", id, "snap"), validation_data = {
        checksum = ("0"):rep(32), os_hash_algo = "sha512", os_hash_value = ("a"):rep(128),
      } }))
      assert.same({ ("0"):rep(32), "sha512", ("a"):rep(128) },
        { image.checksum, image.os_hash_algo, image.os_hash_value })
    end)

    it("is refused for what Glance cannot open, and the image stays queued", function()
      local id = create_record()
      create_image(images, id, MIB)
      for _, url in ipairs {
        location("images", id, "snap"), location("images", "none", "snap"), location("none", id, "snap"),
        spec.location("00000000-0000-4000-8000-000000000000", "images", id, "snap"), "rbd://a/b", "rbd://a//c/d",
        "file:///etc/passwd", "nonsense",
      } do
        local result, err = client:add_location(id, { url = url })
        assert.is_nil(result)
        assert.equal("glance.bad_request", err.code)
        assert.truthy(err.message:find("fsid and the pool of one of Glance's stores", 1, true))
      end
      assert.equal("queued", assert(client:show(id)).status)
    end)

    it("wants the formats first", function()
      local image = assert(client:create { name = "glance-image-spec" })
      made[#made + 1] = image.id
      create_image(images, image.id, MIB)
      seal(images, image.id)
      local result, err = client:add_location(image.id, { url = location("images", image.id, "snap") })
      assert.is_nil(result)
      assert.equal("glance.bad_request", err.code)
      assert.truthy(err.message:find("needs disk_format and container_format", 1, true))
    end)

    it("is refused for an image that is not there", function()
      local result, err = client:add_location("00000000-0000-4000-8000-000000000000", { url = "rbd://a/b/c/d" })
      assert.is_nil(result)
      assert.equal("glance.not_found", err.code)
    end)
  end)

  describe("delete of an image that has a clone", function()
    local function delete_with_clone_in(pool)
      local id = create_record()
      create_image(images, id, MIB)
      seal(images, id)
      assert(client:add_location(id, { url = spec.location(cluster.fsid, "images", id, "snap") }))
      local child = "glance-image-spec-clone-" .. core.system.pid()
      do
        local parent <close> = assert(rbd.open(images, id, { snapshot = "snap" }))
        assert(parent:clone("snap", pool, child, {}))
      end
      local result, err = client:delete(id)
      assert(rbd.remove(pool, child))
      assert.is_nil(result)
      assert.equal("active", assert(client:show(id)).status)
      return err
    end

    it("is refused", function()
      local err = delete_with_clone_in(images)
      assert.equal("glance.conflict", err.code)
      assert.truthy(err.message:find("flatten", 1, true))
    end)

    it("fails in Glance where its own user cannot see the clone", function()
      local err = delete_with_clone_in(volumes)
      assert.equal("glance.server", err.code)
      assert.truthy(err.message:find("a pool that Glance's own Ceph user cannot read", 1, true))
    end)
  end)
end)
