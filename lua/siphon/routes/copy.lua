--- Route `copy`: this host reads the snapshot through librbd and writes the copy, skipping what does not
-- exist and what is zero. Works for every layout of the source and from one cluster to another, and can be cancelled
-- at any moment; rbd_copy itself cannot.

local conditions = require "siphon.routes.conditions"
local core = require "siphon.core"
local hashes = require "siphon.hashes"
local units = require "siphon.units"

return {
  summary = "this host reads the snapshot and writes the copy, zeroes skipped",

  hashes = true,

  unsuitable = { "EPERM", "EACCES", "EOPNOTSUPP" },

  throttled = true,

  applies = function(facts)
    return conditions.check(facts, "reachable", "raw", "writable")
  end,

  cost = function(facts)
    return { copied = facts.source.allocated, through_host = 2 * facts.source.allocated }
  end,

  steps = function(facts)
    return { ("create the image with objects of " .. units.bytes(1 << facts.target.order)), "copy the data" }
  end,

  run = function(job)
    local place = job.target.place
    job:step("target.create", {
      detail = "image " .. place:text(),
      undo = { "remove_image", place:data() },
      untouched = { "EEXIST" },
      act = function(note)
        assert(core.rbd.create(place.pool, place.name, {
          size = job.snapshot.size, order = job.facts.target.order, features = place.features,
        }))
        local image <close> = assert(place:open())
        note { image_id = image.id }
      end,
    })
    job:step("target.copy", {
      detail = "data copied",
      again = true, -- what is there already is of the same snapshot
      act = function()
        local from <close> = assert(job:open_source())
        local to <close> = assert(place:open { read_only = false })
        local moved = assert(from:copy_data(to, {
          digest = job.request.hash,
          max_in_flight = job.request.max_in_flight, max_rate = job.request.max_rate,
          progress = job:meter("target.copy", "copying", { passes = 2, exact = not job.request.hash }),
        }))
        job.hash = moved.digest and hashes.of(moved.digest)
        job:count { copied = moved.written, through_host = moved.read + moved.written }
      end,
    })
  end,
}
