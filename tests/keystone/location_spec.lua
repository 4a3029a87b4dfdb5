-- Registering by the location API of Glance 2024.2 (tests/support/glance_2024.py in front of the bed's Glance).

local bed = require "support.keystone_bed"
local core = require "siphon.core"
local servers = require "support.servers"

describe("the location API of 2024.2", function()
  local made, fake
  setup(function()
    bed.up()
    made = bed.collector()
  end)
  teardown(function() made.clean() end)

  -- Starts the fake; options: do_secure_hash, patch.
  local function start(options)
    options.glance, options.ceph_conf, options.ceph_id = bed.url, bed.env.CEPH_CONF, "glance"
    fake = bed.fake("glance_2024.py", options)
  end

  after_each(function()
    if fake then fake:stop() end
    fake = nil
  end)

  -- Copies as that cloud, all of whose catalog but for Glance is the bed's.
  local function copy(cloud, source, ...)
    local file = fake.directory .. "/clouds.yaml"
    local text = servers.read_file(bed.env.OS_CLIENT_CONFIG_FILE)
    servers.write_file(file, (text:gsub("(    region_name: RegionOne)", "%1\n    image_endpoint_override: " .. fake.url)))
    local env = { OS_CLIENT_CONFIG_FILE = file }
    local result = bed.run(cloud, { "copy", source, "glance:new-api", "--pool", "images", "--json", ... }, env)
    local events = require "support.command".events(result.out)
    return events[#events], result
  end

  -- A Glance client through the fake, as the user, vouched for by the service user.
  local function client(user, vouched)
    local service = vouched and assert(bed.cloud "service").auth or nil
    return assert(require "siphon.glance".connect {
      endpoint = fake.url, auth = assert(bed.cloud(user)).auth, service_auth = service,
    })
  end

  it("is taken where there is one, with the token of the service user beside the user's own", function()
    start { do_secure_hash = true }
    local source = made.volume()
    local done = copy("demo", source, "--os-service-cloud", "service")
    assert.equal("job.done", done.event, done.error and done.error.message)
    made.image(done.image_id)
    assert.equal(bed.md5(source), bed.glance_md5("demo", done.image_id))
    local tasks = assert(client("demo"):tasks(done.image_id))
    assert.equal("location_import", tasks[1].type)
    assert.equal(1, #tasks)
  end)

  it("is given the hash that was asked for, which Glance compares with the data", function()
    start { do_secure_hash = true }
    local source = made.volume()
    local done = copy("demo", source, "--os-service-cloud", "service", "--hash", "sha256", "--route", "clone_flatten")
    assert.equal("job.done", done.event, done.error and done.error.message)
    local image = assert(client("demo"):show(made.image(done.image_id)))
    assert.same({ "sha256", bed.sum(source, "sha256sum"), bed.md5(source) },
      { image.os_hash_algo, image.os_hash_value, image.checksum })
  end)

  it("is taken by an identity that has the role service itself", function()
    start { do_secure_hash = false }
    local image = assert(client("service"):create { name = "own", disk_format = "raw", container_format = "bare" })
    made.image(image.id)
    local _, err = client("service"):import_location(image.id, { url = "rbd://f/images/none/snap" })
    assert.is_nil(err)
  end)

  it("gives way to the older one where the user may not use it", function()
    start { patch = true }
    local done = copy("demo", made.volume())
    assert.equal("job.done", done.event, done.error and done.error.message)
    made.image(done.image_id)
    assert.same({}, (client("demo"):tasks(done.image_id)))
  end)

  it("says what either way lacks when both are closed, and leaves nothing", function()
    start {}
    local failed = copy("demo", made.volume())
    assert.equal("glance.forbidden", failed.error.code)
    for _, expected in ipairs { "--os-service-cloud", "show_multiple_locations" } do
      assert.truthy(failed.error.message:find(expected, 1, true), failed.error.message)
    end
    assert.same({}, failed.left_behind)
  end)

  describe("fails later", function()
    local function record(name)
      local image = assert(client("demo"):create { name = name, disk_format = "raw", container_format = "bare" })
      return made.image(image.id)
    end

    -- An RBD image with a snapshot where Glance has its own; its location.
    local function data(id)
      bed.rbd(("create --size 8M --object-size 8M images/%s"):format(id))
      bed.rbd(("snap create images/%s@snap"):format(id))
      bed.rbd(("snap protect images/%s@snap"):format(id))
      local cluster <close> = assert(core.rados.connect { conf = bed.env.CEPH_CONF, id = "siphon" })
      return require "siphon.spec".location(cluster.fsid, "images", id, "snap")
    end

    it("with the task's own words when the location is no good", function()
      start {}
      local id, vouched = record "bad", client("demo", true)
      local request_id = assert(vouched:import_location(id, { url = "rbd://0/images/" .. id .. "/snap" }))
      local image, err = vouched:wait_location(id, { request_id = request_id })
      assert.is_nil(image)
      assert.equal("glance.failed", err.code)
      assert.truthy(err.message:find("Invalid location", 1, true), err.message)
      assert.equal("queued", vouched:show(id).status)
    end)

    it("and takes the data along when the hash is another one", function()
      start { do_secure_hash = true }
      local id, vouched = record "hash", client("demo", true)
      local url = data(id)
      local request_id = assert(vouched:import_location(id, { url = url, validation_data = {
        os_hash_algo = "sha256", os_hash_value = ("0"):rep(64),
      } }))
      local image, err = vouched:wait_location(id, { request_id = request_id })
      assert.is_nil(image)
      assert.truthy(err.message:find("Hash mismatch", 1, true), err.message)
      assert.is_nil(bed.rbd("ls images"):find(id, 1, true))
    end)

    it("not, when the hash is the data's", function()
      start { do_secure_hash = true }
      local id, vouched = record "hash", client("demo", true)
      local url = data(id)
      local sum = require "support.command".shell "head -c 8388608 /dev/zero | sha256sum":match "^%x+"
      local request_id = assert(vouched:import_location(id, { url = url, validation_data = {
        os_hash_algo = "sha256", os_hash_value = sum,
      } }))
      local image = assert(vouched:wait_location(id, { request_id = request_id }))
      assert.equal("active", image.status)
      assert.equal(url, assert(client("admin"):locations(id))[1].url)
    end)
  end)

  it("refuses what Glance's schema refuses", function()
    start {}
    local vouched = client("demo", true)
    local image = assert(vouched:create { name = "schema", disk_format = "raw", container_format = "bare" })
    made.image(image.id)
    local ok, refusal = vouched:import_location(image.id, { url = "rbd://f/p/i/s", validation_data = {
      os_hash_algo = "sha256", os_hash_value = "abc",
    } })
    assert.is_nil(ok)
    assert.equal("glance.bad_request", refusal.code)
    local list, err = vouched:locations(image.id)
    assert.is_nil(list)
    assert.equal("glance.forbidden", err.code)
    local missing, problem = vouched:import_location("0a0a0a0a-0000-4000-8000-000000000000", { url = "rbd://f/p/i/s" })
    assert.is_nil(missing)
    assert.equal("glance.not_found", problem.code)
  end)
end)
