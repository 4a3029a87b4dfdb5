-- image:copy_data of images that nobody thought of: each round makes one from a seed, copies one of its snapshots
-- in a random way, and compares what `rbd export` gives of both ends.

local ceph = require "support.ceph"
local core = require "siphon.core"

local rbd = core.rbd
local MIB = 1 << 20
local ROUNDS = tonumber(os.getenv "SIPHON_RANDOM_ROUNDS") or 12

describe("image:copy_data of random images", function()
  local scratch, volumes, images

  setup(function()
    scratch = ceph.scratch()
    volumes, images = scratch:pool "volumes", scratch:pool "images"
  end)
  teardown(function() scratch:clean() end)
  after_each(function() scratch:clean_images() end)

  local function pick(list) return list[math.random(#list)] end

  local FEATURES = {
    { "layering" }, { "layering", "exclusive-lock" },
    { "layering", "exclusive-lock", "object-map", "fast-diff" },
    { "layering", "exclusive-lock", "object-map", "fast-diff", "deep-flatten" },
  }

  local function layout()
    local options = { order = pick { 12, 16, 20, 22, 22, 23 }, features = pick(FEATURES) }
    if math.random(4) == 1 then
      options.order = 16
      options.stripe_unit, options.stripe_count = pick { 4096, 16384 }, math.random(2, 5)
    end
    if math.random(4) == 1 then options.data_pool = "images" end
    return options
  end

  -- Random bytes, zeroes and bytes between zeroes, of up to 300 KB.
  local function some_bytes()
    local length = math.random(300000)
    local kind = math.random(4)
    if kind == 1 then return ("\0"):rep(length) end
    local bytes = ceph.noise(length, math.random(1 << 30))
    if kind == 2 then return bytes:sub(1, length // 3) .. ("\0"):rep(length // 3) .. bytes:sub(1, length // 3) end
    return bytes
  end

  local function scribble(image)
    for _ = 1, math.random(0, 12) do
      local size = assert(image:size())
      local action, bytes = math.random(10), some_bytes()
      if size == 0 or action == 1 then
        assert(image:resize(math.random(0, 5) * MIB + math.random(0, 8) * 512, { allow_shrink = true }))
      else
        local offset = math.random(0, size - 1)
        local length = math.min(#bytes, size - offset)
        if action <= 3 then
          assert(image:discard(offset, length))
        else
          assert(image:write(offset, bytes:sub(1, length)))
        end
      end
    end
  end

  -- Changes and snapshots of the image; returns the name of one of them. Clones want theirs protected.
  local function live(image)
    local names = {}
    for i = 1, math.random(3) do
      scribble(image)
      names[i] = "s" .. i
      assert(image:snapshot_create(names[i]))
      assert(image:snapshot_protect(names[i]))
    end
    scribble(image)
    return pick(names)
  end

  local function make()
    local options = layout()
    options.size = math.random(0, 9) * MIB + math.random(0, 8) * 512
    local name = scratch:image(volumes, options)
    local snapshot
    do
      local image <close> = assert(rbd.open(volumes, name, { read_only = false }))
      snapshot = live(image)
    end
    for _ = 1, math.random(0, 2) do
      local child_name = scratch:expect(volumes, ceph.name "clone")
      local parent <close> = assert(rbd.open(volumes, name))
      assert(parent:clone(snapshot, volumes, child_name, layout()))
      name = child_name
      local child <close> = assert(rbd.open(volumes, name, { read_only = false }))
      snapshot = live(child)
      if math.random(5) == 1 then assert(child:info().parent == nil or child:flatten()) end
    end
    return name, snapshot
  end

  for round = 1, ROUNDS do
    it(("is identical: round %d"):format(round), function()
      math.randomseed(round)
      local name, snapshot = make()
      local source <close> = assert(rbd.open(volumes, name, { snapshot = snapshot }))
      local options = layout()
      options.data_pool = nil
      options.size = assert(source:size())
      local target_name = scratch:image(images, options)
      do
        local target <close> = assert(rbd.open(images, target_name, { read_only = false }))
        local counts = assert(source:copy_data(target, {
          max_in_flight = pick { 1, 3, 16 }, sparse_size = pick { 0, 512, 4096, 65536, 4 * MIB },
        }))
        assert.equal(options.size, counts.size)
        assert.equal(counts.read, counts.written + counts.zeroes_skipped)
      end
      assert.equal(ceph.md5(("volumes/%s@%s"):format(name, snapshot)), ceph.md5("images/" .. target_name))
    end)
  end
end)
