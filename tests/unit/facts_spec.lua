local facts = require "siphon.facts"

describe("siphon.facts", function()
  local asked

  local function look()
    asked = {}
    local function ask(name, value)
      return function()
        asked[#asked + 1] = name
        return value
      end
    end
    return {
      request = { target = { kind = "glance", name = "golden" }, disk_format = "raw", container_format = "bare", pool = "images" },
      source = {
        spec = { pool = "volumes", image = "vm1" }, fsid = "f1",
        info = { id = "ab", size = 3 << 30, object_size = 1 << 22, objects = 768, features = { "layering" }, watchers = {} },
        image = { allocated = ask("allocated", 1 << 20), first_bytes = ask("first_bytes", "x") },
        throttles = ask("throttles"), parents = ask("parents", {}), lock_owner = ask("lock_owner"),
      },
      target = { kind = "glance", fsid = "f1", fsid_from = "assumed", pool_name = "images", image_name = "i",
        order = ask("order", 23), writable = ask("writable", "no"), quota = ask("quota"), free = ask("free", 5) },
      connections = { home = { release = ask("release", { name = "pacific" }) } },
    }
  end

  it("are computed when they are read, and once", function()
    local all = facts.of(look())
    assert.equal(3 << 30, all.source.size)
    assert.same({}, asked)
    assert.equal(1 << 20, all.source.allocated)
    assert.equal(1 << 20, all.source.allocated)
    assert.same({ "allocated" }, asked)
    assert.is_nil(all.target.quota)
    assert.is_nil(all.target.quota)
    assert.same({ "allocated", "quota" }, asked)
  end)

  it("say whether both ends are in one cluster", function()
    assert.is_true(facts.of(look()).same_cluster)
    local other = look()
    other.target.fsid = "f2"
    assert.is_false(facts.of(other).same_cluster)
  end)

  it("derive what follows from others", function()
    local all = facts.of(look())
    assert.equal(3, all.image.min_disk)
    assert.is_false(all.source.in_use)
    assert.is_false(all.target.writable)
    assert.equal("images", all.options.pool)
    assert.equal("pacific", all.ceph.release)
  end)

  it("raise for a name that they do not know", function()
    local ok, message = pcall(function() return facts.of(look()).source.alocated end)
    assert.is_false(ok)
    assert.matches("no fact 'source.alocated'; did you mean 'allocated'", message)
  end)

  it("cannot be changed", function()
    local all = facts.of(look())
    for _, change in ipairs { function() all.source.size = 1 end, function() all.new = 1 end } do
      assert.is_false((pcall(change)))
    end
  end)

  it("can be walked through", function()
    local seen = {}
    for name, value in pairs(facts.of(look()).source) do seen[name] = value end
    assert.equal("vm1", seen.image)
    assert.is_nil(seen.snapshot)
  end)

  it("raise the error of a look that failed", function()
    local broken = look()
    local err = require("siphon.core").error { code = "EIO", message = "x" }
    broken.source.image.allocated = function() return nil, err end
    local ok, raised = pcall(function() return facts.of(broken).source.allocated end)
    assert.is_false(ok)
    assert.equal(err, raised)
  end)

  it("each name their source", function()
    local list = facts.list()
    assert.is_true(#list > 30)
    for _, entry in ipairs(list) do assert.is_true(#entry[2] > 3, entry[1]) end
  end)

  it("have the type that is said of each, in every sample situation", function()
    local kinds = { bytes = "integer", list = "table" }
    local situations, seen = require "siphon.situations", {}
    for _, situation in ipairs(situations.LIST) do
      local all = situations.facts(situation[2])
      local types = {}
      for _, entry in ipairs(facts.list()) do types[entry[1]] = entry[3] end
      for _, fact in ipairs(facts.read(all)) do
        local value, kind = fact.value, types[fact.name]
        if value ~= nil then
          seen[fact.name] = true
          assert.equal(kinds[kind] or kind, math.type(value) or type(value), fact.name)
          if kind == "list" then assert.is_true(#value > 0 or next(value) == nil, fact.name) end
        end
      end
    end
    assert.is_true(seen["source.allocated"] and seen["target.writable"] and seen["image.properties"])
  end)

  it("can be made up for a sample", function()
    local all = facts.sample { source = { fsid = "a", size = 5 }, target = { fsid = "b" } }
    assert.equal(5, all.source.size)
    assert.is_nil(all.source.allocated)
    assert.is_false(all.same_cluster)
    assert.is_false((pcall(function() return all.source.sise end)))
  end)
end)
