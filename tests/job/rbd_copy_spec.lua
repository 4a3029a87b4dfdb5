-- Copies to plain RBD images, and what `siphon plan` says of both kinds.

local bed = require "support.bed"
local command = require "support.command"
local copies = require "support.copies"

describe("siphon copy to RBD", function()
  local before
  local made = copies.new()

  setup(function()
    before = bed.inventory()
    command.shell "rbd namespace create volumes/tenant"
  end)
  teardown(function()
    made:clean()
    command.shell "rbd namespace remove volumes/tenant"
    bed.assert_unchanged(before)
  end)

  local function volume(options) return made:volume(options) end
  local function copy(...) return made:copy(...) end

  for _, route in ipairs { "copy", "clone_flatten" } do
    it("makes an image that stands on its own, by route " .. route, function()
      local source = volume { order = 20 }
      local target = "images/" .. bed.name "copy"
      local done = copy(source, target, "--route", route)
      assert.equal("job.done", done.event)
      local null = require("siphon.json").null
      assert.same({ null, null }, { done.image_id, done.location })
      assert.same({ source, target, route }, { done.source, done.target, done.route })
      assert.equal(bed.md5(source), bed.md5(target))
      local info = bed.rbd("info " .. target)
      assert.is_nil(info.parent)
      assert.equal(20, info.order)
      assert.same({ "layering", "exclusive-lock", "object-map", "fast-diff", "deep-flatten" }, info.features)
      assert.same({}, info.flags)
      assert.same({}, bed.rbd("snap ls " .. target))
      assert.same({}, bed.rbd("snap ls " .. source))
    end)
  end

  it("stays in the same pool, and crosses namespaces", function()
    local plain, tenant = volume(), volume { namespace = "tenant" }
    local pairs_of = {
      { plain, "volumes/" .. bed.name "copy" },
      { plain, "volumes/tenant/" .. bed.name "copy" },
      { tenant, "volumes/" .. bed.name "copy" },
      { tenant, "volumes/tenant/" .. bed.name "copy" },
    }
    for _, pair in ipairs(pairs_of) do
      copy(pair[1], pair[2])
      assert.equal(bed.md5(pair[1]), bed.md5(pair[2]))
    end
  end)

  it("copies an empty image", function()
    local source = volume { size = 0, data = {} }
    local target = "volumes/" .. bed.name "copy"
    copy(source, target)
    assert.equal(0, bed.rbd("info " .. target).size)
  end)

  it("copies a snapshot by its location", function()
    local source, name = volume()
    command.shell(("rbd snap create --no-progress %s@s && rbd snap protect %s@s"):format(source, source))
    local target = "volumes/" .. bed.name "copy"
    copy(("rbd://%s/volumes/%s/s"):format(bed.cluster().fsid, name), target)
    assert.equal(bed.md5(source .. "@s"), bed.md5(target))
  end)

  it("copies many at once in one process", function()
    -- A volume each: librbd 16.2 may abort when many open and close one image at once (AsyncOpTracker, in its closing).
    local sources = {}
    for i = 1, 6 do sources[i] = volume { size = 16, data = { { 0, 2 }, { 8, 2 } } } end
    local script = os.tmpname()
    local file = assert(io.open(script, "w"))
    file:write [[
      local prefix, sources = ..., { select(2, ...) }
      local tasks = {}
      for i = 1, 6 do
        tasks[i] = siphon.task.spawn(function()
          return assert(siphon.copy { source = sources[i], target = prefix .. i, route = i % 2 == 0 and "copy" or "clone_flatten" })
        end)
      end
      for i = 1, 6 do print(tasks[i]:join().target) end]]
    file:close()
    local prefix = "images/" .. bed.name "many"
    for i = 1, 6 do made:expect(prefix .. i) end
    local result = command.run { "run", script, prefix, table.unpack(sources) }
    os.remove(script)
    assert.equal("", result.err)
    assert.equal(0, result.code)
    for i = 1, 6 do
      assert.matches(prefix:gsub("%-", "%%-") .. i .. "\n", result.out)
      assert.equal(bed.md5(sources[i]), bed.md5(prefix .. i))
      assert.same({}, bed.rbd("snap ls " .. sources[i]))
    end
  end)

  it("copies a volume in use as of the moment it began", function()
    local source, name = volume()
    local core = require "siphon.core"
    local cluster <close> = assert(core.rados.connect {
      options = { rbd_cache = "true", rbd_cache_policy = "writeback", rbd_cache_max_dirty_age = "600" },
    })
    local pool <close> = assert(cluster:pool "volumes")
    local writer <close> = assert(core.rbd.open(pool, name, { read_only = false }))
    -- librbd writes through its cache until the first flush; what comes after is in the memory of this client alone.
    assert(writer:write(0, "clean"))
    assert(writer:flush())
    assert(writer:write(0, ("dirty"):rep(1000)))
    local object = writer:info().block_name_prefix .. ".0000000000000000"
    assert.equal("clean", assert(bed.pool("volumes"):read(object, { length = 5 })))
    local target = "volumes/" .. bed.name "copy"
    copy(source, target)
    local copied <close> = assert(core.rbd.open(bed.pool "volumes", (target:match "/(.*)")))
    assert.equal("dirtydirty", copied:read(0, 10))
    assert(writer:write(0, "more"))
  end)
end)

describe("siphon plan", function()
  local before, spec

  setup(function()
    before = bed.inventory()
    spec = bed.volume()
  end)
  teardown(function()
    bed.remove(spec)
    bed.assert_unchanged(before)
  end)

  local function plan(...)
    local with_volume = bed.holdings()
    local result = command.run { "plan", spec, ... }
    bed.assert_unchanged(with_volume, bed.holdings)
    assert.equal("", result.err)
    assert.equal(0, result.code)
    return result.out
  end

  it("says the facts, the route, why, why not the others, the steps and the bytes, and changes nothing", function()
    local text = plan("glance:golden", "--pool", "images")
    for _, part in ipairs {
      "source +" .. spec:gsub("%-", "%%-") .. ", 32 MiB, about %d+ MiB allocated", "objects of 4.0 MiB, no parent",
      "target +glance:golden in pool images %(as asked%)", "objects of 8.0 MiB, [%d.]+ .iB free",
      "cluster +the same: %x+%-", "route +osd_copy: ", "why +[%w ]+ %(policy default%)",
      "why not +clone_flatten: comes after osd_copy", "1%. create the Glance record",
      "the OSDs copy each object that exists, %d+ at most", "remove the source's snapshot",
      "bytes +about %d+ MiB copied, 0 B through this host",
    } do
      assert.matches(part, text)
    end
  end)

  it("says the same in JSON", function()
    local answer = require("siphon.json").decode(plan("images/copy-of-it", "--json", "--policy", "clone_flatten"))
    assert.same({ spec, "images/copy-of-it", "clone_flatten", "clone_flatten" },
      { answer.source, answer.target, answer.policy, answer.route })
    assert.equal(32 << 20, answer.bytes.size)
    assert.equal(2 * answer.bytes.allocated, answer.bytes.through_host)
    local others = {}
    for _, other in ipairs(answer.others) do others[other.route] = other.reason end
    assert.is_string(others.copy)
    assert.is_nil(others.clone_flatten)
    assert.is_true(#answer.steps >= 5)
    assert.is_true(answer.facts.same_cluster)
  end)

  it("says which limits of the volume's own will slow it down, where they do", function()
    command.shell(("rbd config image set %s rbd_qos_bps_limit 104857600 && rbd config image set %s rbd_qos_write_iops_limit 7")
      :format(spec, spec))
    finally(function()
      command.shell(("rbd config image rm %s rbd_qos_bps_limit; rbd config image rm %s rbd_qos_write_iops_limit"):format(spec, spec))
    end)
    local function throttles(...) return require("siphon.json").decode(plan("images/copy-of-it", "--json", ...)).throttles end
    assert.same({ rbd_qos_bps_limit = 104857600 }, throttles("--route", "copy"))
    assert.is_nil(throttles("--route", "clone_flatten"))
    assert.matches("throttle the volume's own limits slow down .*: rbd_qos_bps_limit 100 MiB/s\n", plan("images/copy-of-it", "--route",
      "copy"))
  end)

  it("finds policies on the policy path", function()
    local directory = command.shell("mktemp -d"):match "%S+"
    command.shell(("echo %s > %s/mine.lua"):format(
      command.quote "return { routes = function() return { 'clone_flatten' }, 'it is mine' end }", directory))
    local result = command.run({ "plan", spec, "images/x", "--policy", "mine" },
      { env = { SIPHON_POLICY_PATH = "/nowhere:" .. directory } })
    command.shell("rm -r " .. directory)
    assert.equal("", result.err)
    assert.matches("route +clone_flatten", result.out)
    assert.matches("why +it is mine %(policy mine%)", result.out)
  end)

  it("fails where the copy would", function()
    local result = command.run { "plan", spec .. "-not", "glance:x", "--pool", "images" }
    assert.equal(65, result.code)
    assert.equal("", result.out)
    assert.matches("^siphon: there is no image ", result.err)
    result = command.run { "plan", spec .. "-not", "glance:x", "--pool", "images", "--json" }
    assert.equal("ENOENT", require("siphon.json").decode(result.out).error.code)
  end)
end)
