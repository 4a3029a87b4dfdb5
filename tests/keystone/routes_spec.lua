-- Every route to a Glance image, as a user of a cloud: what the image holds, and, with --hash, what its record says of
-- that. (tests/routes has the same without a Keystone, and more of each route.)

local bed = require "support.keystone_bed"
local command = require "support.command"

describe("with a Keystone, the route", function()
  local made

  local function let_glance_read(pools)
    command.shell(("tests/testbed/testbed admin --dir %s ceph auth caps client.glance mon 'profile rbd' osd '%s'"):format(
      bed.directory, pools))
  end

  setup(function()
    bed.up()
    made = bed.collector()
    let_glance_read "profile rbd pool=images, profile rbd-read-only pool=volumes"
  end)

  teardown(function()
    made.clean()
    let_glance_read "profile rbd pool=images"
  end)

  -- { checksum, os_hash_value } of a volume, by coreutils.
  local function hashes_of(spec, tool)
    return { bed.md5(spec), bed.sum(spec, tool) }
  end

  local function copy(spec, ...)
    local done, events, result = bed.copy("demo", spec, "glance:by-route", ...)
    assert.equal("job.done", done.event, result.err)
    return assert(bed.client "demo":show(made.image(done.image_id))), done, events
  end

  local WAYS = {
    { "copy" }, { "osd_copy" }, { "clone_flatten" }, { "clone_flatten", "--flatten", "mgr" }, { "instant" }, { "clone" },
    { "upload" },
  }
  for _, way in ipairs(WAYS) do
    it(table.concat(way, " ") .. " makes an active image of the volume's contents, with its hashes", function()
      local spec = made.volume()
      local image, done = copy(spec, "--hash", "sha512", "--route", table.unpack(way))
      assert.equal(way[1], done.route)
      assert.same({ "active", 8 << 20, "sha512" }, { image.status, image.size, image.os_hash_algo })
      assert.same(hashes_of(spec, "sha512sum"), { image.checksum, image.os_hash_value })
      assert.same({ checksum = image.checksum, os_hash_algo = "sha512", os_hash_value = image.os_hash_value }, done.hash)
      assert.equal(image.checksum, bed.glance_md5("demo", image.id))
      -- Read for the hash; copy, clone_flatten and upload have read it anyway.
      assert.is_true(done.bytes.through_host >= 8 << 20)
      if way[1] == "clone" then
        bed.delete_image(image.id)
        local snapshot = ("%s@siphon-%s"):format(spec, done.job)
        bed.rbd("snap unprotect " .. snapshot)
        bed.rbd("snap rm --no-progress " .. snapshot)
      end
    end)
  end

  it("convert makes one of another format, whose hashes are the file's", function()
    local spec = made.volume()
    local image, done = copy(spec, "--disk-format", "qcow2")
    assert.equal("convert", done.route)
    assert.same({ "active", "qcow2" }, { image.status, image.disk_format })
    assert.equal(image.checksum, done.hash.checksum)
    local directory = command.shell "mktemp -d":match "%S+"
    assert(bed.client "demo":download(image.id, { file = directory .. "/image" }))
    bed.rbd(("export --no-progress %s %s/raw"):format(spec, directory))
    local answer = command.shell(("cd %s && md5sum image && qemu-img compare -f raw -F qcow2 raw image; rm -r %s"):format(
      directory, directory))
    assert.truthy(answer:find(image.checksum, 1, true), answer)
    assert.matches("Images are identical", answer)
  end)

  it("registers no hash unless asked, and says so", function()
    local image, done = copy(made.volume())
    assert.same({}, { image.checksum, image.os_hash_value })
    assert.equal(require "siphon.json".null, done.hash)
  end)

  it("cannot register another hash than this Glance keeps, and leaves nothing", function()
    local failed = bed.copy("demo", made.volume(), "glance:by-route", "--hash", "sha256")
    assert.equal("glance.conflict", failed.error.code)
    assert.truthy(failed.error.message:find("--hash", 1, true), failed.error.message)
    assert.same({}, failed.left_behind)
  end)
end)
