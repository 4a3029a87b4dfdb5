--- The client against the Glance of the bed.

local clouds = require "siphon.clouds"
local core = require "siphon.core"
local json = require "siphon.json"
local servers = require "support.servers"

local task = require "siphon.task"

describe("siphon.glance", function()
  local client, made

  setup(function() client = assert(clouds.connect()) end)
  before_each(function() made = {} end)
  after_each(function()
    for _, id in ipairs(made) do
      client:update(id, { { op = "replace", path = "/protected", value = false } })
      local ok, err = client:delete(id)
      assert(ok or err:is "glance.not_found", err)
    end
  end)

  local function create(fields)
    fields = fields or {}
    fields.name = fields.name or "glance-spec"
    fields.disk_format = fields.disk_format or "raw"
    fields.container_format = fields.container_format or "bare"
    local image = assert(client:create(fields))
    made[#made + 1] = image.id
    return image
  end

  local function refused(code, words, ...)
    local result, err = ...
    assert.is_nil(result)
    assert.equal(code, err.code, tostring(err))
    assert.truthy(err.message:find(words, 1, true), err.message)
    assert.is_nil(tostring(err):find("[\n<]"))
    assert.truthy(err.http.request_id:find("^req%-"))
    return err
  end

  local UNKNOWN = "00000000-0000-4000-8000-000000000000"

  describe("tells about itself:", function()
    it("versions, newest first", function()
      local versions = assert(client:versions())
      assert.equal("CURRENT", versions[1].status)
      assert.equal(2, versions[1].major)
      assert.is_true(versions[1].minor >= 15)
      assert.same({ "v2.0", 2, 0 }, { versions[#versions].id, versions[#versions].major, versions[#versions].minor })
    end)

    it("stores, with booleans as such", function()
      local stores = assert(client:stores())
      local by_id = {}
      for _, store in ipairs(stores) do by_id[store.id] = store end
      assert.is_true(by_id.ceph.default)
      assert.is_false(by_id.fs.default)
      assert.is_false(by_id.fs.read_only)
    end)
  end)

  describe("records", function()
    it("are created with all their fields, shown and deleted", function()
      local id = "5e1f0000-0000-4000-8000-" .. ("%012x"):format(core.system.pid())
      local image = create { id = id, name = "naïve ☃ / @ ?", visibility = "private", protected = true, min_disk = 3,
        min_ram = 512, tags = { "a", "b" }, os_hidden = true, hw_disk_bus = "scsi" }
      assert.equal(id, image.id)
      assert.equal("queued", image.status)
      local shown = assert(client:show(id))
      assert.same({ "naïve ☃ / @ ?", "private", true, 3, 512, true, "scsi", "raw", "bare" }, {
        shown.name, shown.visibility, shown.protected, shown.min_disk, shown.min_ram, shown.os_hidden,
        shown.hw_disk_bus, shown.disk_format, shown.container_format,
      })
      table.sort(shown.tags)
      assert.same({ "a", "b" }, shown.tags)
      assert.is_nil(shown.size) -- null
      refused("glance.forbidden", "protected", client:delete(id))
      assert(client:update(id, { { op = "replace", path = "/protected", value = false } }))
      assert.is_true(client:delete(id))
      local err = refused("glance.not_found", "does not see it", client:show(id))
      assert.equal(id, err.where.image_id)
      assert.equal("glance.show", err.op)
      refused("glance.not_found", "", client:delete(id))
    end)

    it("are not created twice with one id", function()
      local image = create()
      local err = refused("glance.conflict", "choose another id", client:create {
        id = image.id, name = "x", disk_format = "raw", container_format = "bare" })
      assert.equal(409, err.http.status)
      assert.equal(image.id, err.where.image_id)
    end)

    it("are refused with what is wrong with them", function()
      refused("glance.bad_request", "disk_format", client:create { name = "x", disk_format = "floppy" })
      refused("glance.bad_request", "", client:create { id = "not-a-uuid" })
      refused("glance.forbidden", "", client:create { name = "x", status = "active" })
      refused("glance.forbidden", "reserved", client:create { name = "x", locations = json.array {} })
    end)

    it("are listed page by page", function()
      local name = ("glance-spec-list-%d"):format(core.system.pid())
      for i = 1, 5 do create { name = name, number = tostring(i) } end
      assert.equal(5, #assert(client:list { name = name }))
      assert.equal(5, #assert(client:list { name = name, limit = 2 }))
      assert.equal(3, #assert(client:list { name = name, limit = 2, max = 3 }))
      assert.equal(1, #assert(client:list { name = name, number = "4" }))
      assert.equal(0, #assert(client:list { name = name .. "-none" }))
      assert.equal(0, #assert(client:list { name = name, status = "active" }))
    end)

    it("are found by odd names", function()
      local name = "glance-spec & é=%25 +?#"
      local image = create { name = name }
      local found = assert(client:list { name = name })
      assert.same({ image.id }, { found[1].id })
      assert.equal(1, #found)
    end)

    it("are changed by patches", function()
      local image = create()
      local changed = assert(client:update(image.id, {
        { op = "replace", path = "/name", value = "new" }, { op = "add", path = "/os_type", value = "linux" },
      }))
      assert.same({ "new", "linux" }, { changed.name, changed.os_type })
      assert.is_nil(assert(client:update(image.id, { { op = "remove", path = "/os_type" } })).os_type)
      refused("glance.forbidden", "read-only", client:update(image.id, {
        { op = "replace", path = "/size", value = 1 } }))
      refused("glance.not_found", "", client:update(UNKNOWN, { { op = "replace", path = "/name", value = "x" } }))
    end)

    it("need an id", function()
      for _, method in ipairs { "show", "delete", "upload", "download", "add_location", "update", "wait" } do
        for _, id in ipairs { "", false } do
          local ok, err = pcall(client[method], client, id, {})
          assert.is_false(ok)
          assert.truthy(tostring(err):find("an image id expected", 1, true), tostring(err))
        end
      end
      refused("glance.not_found", "", client:show "../images")
      refused("glance.not_found", "", client:show "a/b?c=d#e")
    end)
  end)

  describe("data", function()
    it("goes up and comes down", function()
      local image, last = create(), nil
      local bytes = ("0123456789"):rep(300000)
      assert.is_true(client:upload(image.id, bytes, { progress = function(done, total) last = { done, total } end }))
      assert.same({ #bytes, #bytes }, last)
      local shown = assert(client:wait(image.id, { timeout = 10 }))
      assert.same({ "active", #bytes, "integer" }, { shown.status, shown.size, math.type(shown.size) })
      assert.is_true(bytes == assert(client:download(image.id)))
      local _, err = client:download(image.id, nil, { max_body = 1000 })
      assert.equal("http.too_large", err.code)
      assert.equal("glance.download", err.op)
      assert.equal(image.id, err.where.image_id)
      refused("glance.conflict", "only while the image is queued", client:upload(image.id, bytes))
    end)

    it("goes to the store that was asked for, from and to files", function()
      local image, dir = create(), servers.temporary_directory()
      finally(function() os.execute("rm -r " .. dir) end)
      os.execute("head -c 3000000 /dev/urandom >" .. dir .. "/in")
      assert(client:upload(image.id, { file = dir .. "/in" }, { store = "fs" }))
      assert.equal("fs", assert(client:show(image.id)).stores)
      assert.equal(3000000, assert(client:download(image.id, { file = dir .. "/out" })))
      assert.is_true(os.execute(("cmp %s/in %s/out"):format(dir, dir)))
    end)

    it("is refused for an unknown store, and the image stays queued", function()
      local image = create()
      refused("glance.bad_request", "GET /v2/info/stores", client:upload(image.id, "x", { store = "none" }))
      assert.equal("queued", assert(client:show(image.id)).status)
    end)

    it("is missing before it was uploaded", function()
      local image = create()
      local bytes, err = client:download(image.id)
      assert.is_nil(bytes)
      assert.equal("glance.no_data", err.code)
      refused("glance.not_found", "", client:download(UNKNOWN))
      refused("glance.not_found", "", client:upload(UNKNOWN, "x"))
    end)

    it("is not uploaded by a cancelled task, and the image can be deleted", function()
      local image, dir = create(), servers.temporary_directory()
      finally(function() os.execute("rm -r " .. dir) end)
      os.execute("truncate -s 2G " .. dir .. "/in")
      local _, err = task.timeout(0.3, function() return client:upload(image.id, { file = dir .. "/in" }) end)
      assert.equal("timeout", err.code)
      local shown = assert(client:show(image.id))
      assert.is_not.equal("active", shown.status)
      assert.is_true(client:delete(image.id))
    end)
  end)

  describe("wait", function()
    it("gives up after its timeout", function()
      local image = create()
      local start = task.now()
      local result, err = client:wait(image.id, { timeout = 0.5 })
      assert.is_nil(result)
      assert.equal("timeout", err.code)
      assert.truthy(err.message:find("still queued, not active", 1, true))
      assert.is_true(task.now() - start < 60)
    end)

    it("sees what happens meanwhile", function()
      local image = create()
      local waiting = task.spawn(function() return client:wait(image.id, { timeout = 20 }) end)
      assert(client:upload(image.id, "data"))
      assert.equal("active", assert(waiting:join()).status)
    end)

    it("ends when the image is deleted", function()
      local image = create()
      local waiting = task.spawn(function() return client:wait(image.id, { timeout = 20 }) end)
      task.sleep(0.3)
      assert(client:delete(image.id))
      local result, err = waiting:join()
      assert.is_nil(result)
      assert.is_true(err:is("glance.not_found", "glance.failed")) -- gone, or for a moment still seen as deleted
    end)

    it("ends when the image is deactivated", function()
      local image = create()
      assert(client:upload(image.id, "data"))
      assert(client:call("POST", ("/v2/images/%s/actions/deactivate"):format(image.id)))
      local result, err = client:wait(image.id)
      assert.is_nil(result)
      assert.equal("glance.failed", err.code)
      assert.equal("deactivated", assert(client:wait(image.id, { status = "deactivated" })).status)
    end)
  end)

  it("names the media type that a call needs", function()
    local image = create()
    refused("glance.unsupported", "415", client:call("PATCH", "/v2/images/" .. image.id, { json = {} }))
  end)
end)
