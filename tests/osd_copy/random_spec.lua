-- Random images, copied by the OSDs, are what `rbd export` says they are.
--
-- SIPHON_RANDOM_IMAGES: how many (default 40); SIPHON_RANDOM_SEED: the first seed (default 1). A failure names
-- its seed, and is repeated by running that one alone.

local core = require "siphon.core"

local ceph = require "support.ceph"
local world = require "osd_copy.world"

local COUNT = math.tointeger(os.getenv "SIPHON_RANDOM_IMAGES") or 40
local FIRST = math.tointeger(os.getenv "SIPHON_RANDOM_SEED") or 1
local BATCH = 20

local function options_of(dice)
  return {
    verify = dice.pick { "checksum", "checksum", "none", "read" },
    max_in_flight = dice.pick { 1, 4, 16, 32 },
    dense = dice.pick { 0.95, 0.95, 1, 0.5, 0 },
    sparse = dice.pick { 0.125, 0.125, 1, 0 },
  }
end

describe("random images", function()
  local here

  setup(function() here = world.new() end)
  teardown(function() here:clean() end)

  local function copy_one(seed)
    local dice = world.dice(seed)
    local pool, name = here:source(dice)
    local source <close> = assert(core.rbd.open(pool, name, { snapshot = "it" }))
    local target = here:some_pool(dice)
    local copy = here:expect(target, ceph.name "copy")
    local id = assert(source:osd_create(target, copy, {
      features = world.FEATURES, data_pool = dice.chance(20) and here.coded or nil,
    }))
    local options = options_of(dice)
    local result = assert(source:osd_copy(target, { id = id }, options))
    local info
    do
      local image <close> = assert(core.rbd.open(target, copy))
      info = assert(image:info())
    end
    -- `rbd du` of 16.2 aborts on an image of 0 bytes.
    local used = info.size > 0 and info.stripe_count == 1 and info.size % info.object_size == 0
      and result.objects * info.object_size
    return here:faults(world.spec(pool, name) .. "@it", world.spec(target, copy), used or nil), result
  end

  local ways = {}
  for first = FIRST, FIRST + COUNT - 1, BATCH do
    local last = math.min(first + BATCH, FIRST + COUNT) - 1
    it(("%d to %d are identical"):format(first, last), function()
      local some, list = core.task.semaphore(4), {}
      for seed = first, last do
        list[#list + 1] = core.task.spawn(function()
          local _ <close> = some:acquire()
          local ok, fault, result = pcall(copy_one, seed)
          return { seed = seed, fault = not ok and tostring(fault) or fault, result = result }
        end)
      end
      for i, running in ipairs(list) do list[i] = running:join() end
      for _, one in ipairs(list) do
        assert.is_nil(one.fault, ("seed %d: %s"):format(one.seed, tostring(one.fault)))
        for _, way in ipairs { "whole", "punched", "squeezed", "thin", "librbd", "empty" } do
          ways[way] = (ways[way] or 0) + one.result[way]
        end
        ways.parents = math.max(ways.parents or 0, one.result.levels - 1)
      end
      here:clean_images()
    end)
  end

  it("took every way there is", function()
    if COUNT < 100 then return end
    for _, way in ipairs { "whole", "punched", "squeezed", "thin", "librbd", "empty" } do
      assert.is_true(ways[way] > 0, way)
    end
    assert.equal(2, ways.parents)
  end)
end)
