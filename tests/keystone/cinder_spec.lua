-- What an image gets from a Cinder volume (tests/support/cinder.py, in the real Keystone's catalog).

local bed = require "support.keystone_bed"
local clouds = require "siphon.clouds"
local cinder = require "siphon.cinder"
local core = require "siphon.core"
local json = require "siphon.json"
local servers = require "support.servers"

local PLAIN, BARE, ENCRYPTED, FOREIGN = "0a0a0a0a-0000-4000-8000-000000000001", "0a0a0a0a-0000-4000-8000-000000000002",
  "0a0a0a0a-0000-4000-8000-000000000003", "0a0a0a0a-0000-4000-8000-000000000004"
local KEY = "4d6d8a3e-9a6c-4c59-8a4f-0f1e2d3c4b5a"

describe("the properties of a Cinder volume", function()
  local made, fake, service

  setup(function()
    bed.up()
    made = bed.collector()
    local function project(name) return bed.identity("GET", "/projects?name=" .. name).projects[1].id end
    local demo = project "demo"
    fake = bed.fake("cinder.py", { max_version = 64, volumes = {
      [PLAIN] = { project = demo, volume_image_metadata = {
        os_distro = "debian", hw_disk_bus = "scsi", architecture = "x86_64",
        -- What Cinder leaves out:
        checksum = "x", container_format = "bare", disk_format = "qcow2", image_name = "debian-12", image_id = "x", min_disk = "0",
        min_ram = "0", name = "x", size = "1", os_glance_import_task = "x", img_signature = "x", img_signature_key_type = "x",
        signature_verified = "True",
      } },
      [BARE] = { project = demo },
      [ENCRYPTED] = { project = demo, encrypted = true, encryption_key_id = KEY, volume_image_metadata = { os_distro = "alma" } },
      [FOREIGN] = { project = project "other" },
    } })
    service = bed.identity("POST", "/services", { service = { name = "cinder", type = "volumev3" } }).service.id
    bed.identity("POST", "/endpoints", { endpoint = { service_id = service, interface = "public", region_id = "RegionOne",
      url = fake.url .. "/v3/%(project_id)s" } })
  end)

  teardown(function()
    bed.identity("DELETE", "/services/" .. service) -- and its endpoint
    local asked = json.decode(assert(core.http.request { url = fake.url .. "/-/refused" }).body)
    fake:stop()
    made.clean()
    assert.same({}, asked)
  end)

  local function image_of(...)
    local event, _, result = bed.copy("demo", made.volume(), "glance:from-volume", ...)
    assert.equal("job.done", event.event, result.err)
    return assert(bed.client "demo":show(made.image(event.image_id)))
  end

  it("are the image's, filtered as Cinder filters them, below those that are asked for", function()
    local image = image_of("--properties-from", PLAIN, "--property", "architecture=aarch64")
    assert.same({ "debian", "scsi", "aarch64" }, { image.os_distro, image.hw_disk_bus, image.architecture })
    for _, name in ipairs { "image_name", "image_id", "os_glance_import_task", "img_signature", "img_signature_key_type",
      "signature_verified" } do
      assert.is_nil(image[name], name)
    end
    assert.same({ "raw", 1, "from-volume" }, { image.disk_format, image.min_disk, image.name })
  end)

  it("are facts", function()
    local result = bed.run("demo", { "plan", "--facts", "--json", made.volume(), "glance:x", "--properties-from", PLAIN,
      "--pool", "images" })
    assert.same({ os_distro = "debian", hw_disk_bus = "scsi", architecture = "x86_64" }, json.decode(result.out).image.properties)
  end)

  it("have the key of one that is encrypted, which must not go with the image", function()
    local image = image_of("--properties-from", ENCRYPTED)
    assert.same({ KEY, "do_not_delete", "alma" },
      { image.cinder_encryption_key_id, image.cinder_encryption_key_deletion_policy, image.os_distro })
  end)

  it("may be none", function()
    local cloud = assert(bed.cloud "demo")
    assert.same({}, cinder.image_properties(assert(cinder.volume(cloud, BARE))))
  end)

  it("that cannot be had end the copy before it begins", function()
    local volume = made.volume()
    local function refused(id, code, exit_code, text)
      local event, _, result = bed.copy("demo", volume, "glance:refused", "--properties-from", id)
      assert.same({ "job.failed", code, exit_code }, { event.event, event.error.code, result.code })
      assert.truthy(event.error.message:find(text, 1, true), event.error.message)
      assert.truthy(event.error.message:find(id, 1, true), event.error.message)
    end
    refused(FOREIGN, "cinder.not_found", 65, "this project does not see it")
    refused("0a0a0a0a-0000-4000-8000-000000000009", "cinder.not_found", 65, "could not be found")
    assert.same({}, bed.client "demo":list { name = "refused" })
  end)

  describe("are asked for", function()
    it("without the key where Cinder is too old to tell it", function()
      local old = bed.fake("cinder.py", { max_version = 62, volumes = { [ENCRYPTED] = {
        project = bed.identity("GET", "/projects?name=demo").projects[1].id, encrypted = true, encryption_key_id = KEY,
        volume_image_metadata = { os_distro = "alma" } } } })
      finally(function() old:stop() end)
      local cloud = assert(bed.cloud "demo")
      local path = assert(cloud:endpoint "block-storage"):match "/v3/.*"
      function cloud.endpoint() return old.url .. path end
      assert.same({ os_distro = "alma" }, cinder.image_properties(assert(cinder.volume(cloud, ENCRYPTED))))
      function cloud.endpoint() return old.url .. "/v3/" .. ("0"):rep(32) end
      local volume, err = cinder.volume(cloud, ENCRYPTED)
      assert.is_nil(volume)
      assert.equal("cinder.bad_request", err.code)
      assert.truthy(err.message:find("another project", 1, true), err.message)
    end)

    it("again while Cinder is out of order, and then its refusal is told", function()
      local server = servers.start()
      finally(function() server:stop() end)
      local cloud = { auth = require "siphon.glance".static_auth "t", endpoint = function() return server.url .. "/v3/p/" end }
      local path = "GET /v3/p/volumes/" .. BARE
      server:script { [path] = { { status = 503 }, { status = 200, body = { volume = { id = BARE } } } } }
      assert.equal(BARE, assert(cinder.volume(cloud, BARE)).id)
      for status, case in pairs { [401] = { "cinder.unauthorized", "OS_TOKEN" }, [403] = { "cinder.forbidden", "volume:get" },
        [500] = { "cinder.server", "cinder-api's log" }, [418] = { "cinder.unexpected", "tea" } } do
        server:script { [path] = { { status = status, body = { forbidden = { code = status, message = "tea is out" } } } } }
        local _, err = cinder.volume(cloud, BARE)
        assert.same({ case[1], status }, { err.code, err.http.status })
        assert.truthy(err.message:find(case[2], 1, true), err.message)
      end
      server:script { [path] = { { status = 200, body = "<html>" } } }
      assert.equal("cinder.not_json", select(2, cinder.volume(cloud, BARE)).code)
    end)

    it("with a new token when the first is refused", function()
      local cloud = assert(bed.cloud "demo")
      bed.revoke(assert(cloud.auth:token()))
      assert(cinder.volume(cloud, PLAIN))
    end)

    it("at the endpoint that the cloud itself names", function()
      local variables = bed.variables "demo"
      variables.OS_BLOCK_STORAGE_ENDPOINT_OVERRIDE = "http://127.0.0.1:9/v3/x"
      local volume, err = cinder.volume(assert(clouds.open { getenv = bed.getenv(variables) }), PLAIN)
      assert.is_nil(volume)
      assert.equal("http.connect", err.code)
    end)
  end)
end)
