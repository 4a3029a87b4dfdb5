-- A volume that is mirrored from another cluster: librbd lets nothing be changed in it while it is not primary.

local ceph = require "support.ceph"
local copy = require "siphon.copy"

local ADMIN = { conf = os.getenv "TESTBED_ADMIN_CONF", id = "admin" }

describe("a volume that is not primary", function()
  local scratch, pool, name

  local function rbd(line)
    return ceph.run(("env -u CEPH_ARGS rbd -c %s --id admin %s"):format(ADMIN.conf, line))
  end

  setup(function()
    scratch = ceph.scratch(ADMIN)
    pool = scratch:make_pool()
    rbd("mirror pool enable " .. pool .. " image")
  end)
  teardown(function() scratch:clean() end)

  before_each(function()
    name = ("%s/%s"):format(pool, ceph.name "volume")
    rbd("create --size 8M " .. name)
    rbd(("snap create --no-progress %s@free"):format(name))
    rbd(("snap create --no-progress %s@held && rbd -c %s --id admin snap protect %s@held")
      :format(name, ADMIN.conf, name))
    rbd("mirror image enable " .. name .. " snapshot")
    rbd("mirror image demote " .. name)
  end)

  local function request(source)
    return { source = source, target = name .. "-copy", conf = ADMIN.conf, id = ADMIN.id }
  end

  local function refusal(source)
    local before = rbd("snap ls --all " .. name)
    local plan, why = copy.plan(request(source))
    local result, err = copy.copy(request(source))
    assert.is_nil(plan)
    assert.is_nil(result)
    assert.same({ "source.non_primary", "source.non_primary" }, { why.code, err.code })
    assert.equal(before, rbd("snap ls --all " .. name))
    return err.message
  end

  it("is refused, since no snapshot can be taken", function()
    assert.matches("not primary in this one, so that no snapshot of it can be taken here: copy it where it is primary",
      refusal(name), 1, true)
  end)

  it("is refused with a snapshot that would have to be protected first", function()
    assert.matches("its snapshot cannot be protected", refusal(name .. "@free"), 1, true)
  end)

  it("is copied from a snapshot that is protected", function()
    local result = assert(copy.copy(request(name .. "@held")))
    assert.equal("osd_copy", result.route)
    assert.equal(rbd(("export --no-progress %s@held - | md5sum"):format(name)),
      rbd(("export --no-progress %s-copy - | md5sum"):format(name)))
  end)
end)
