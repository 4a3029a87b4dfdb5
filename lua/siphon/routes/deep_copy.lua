--- Route `deep_copy`: RBD to RBD, with all snapshots up to the one that is copied. librbd does it, through this
-- host, and CANNOT be stopped: a cancelled or timed-out job waits for the end of the copying before it undoes it.

local conditions = require "siphon.routes.conditions"

-- The job's own snapshot came along; the user's stay, protected as they are at the source.
local function drop_own_snapshot(job, image)
  if job.source.snapshot then return end
  assert(image:snapshot_unprotect(job.snapshot.name))
  assert(image:snapshot_remove(job.snapshot.name))
end

return {
  summary = "this host copies the image with its snapshots; it cannot be stopped half-way",

  unsuitable = { "EPERM", "EACCES", "EOPNOTSUPP" },

  applies = function(facts)
    return conditions.check(facts, "to_rbd", "reachable", "writable", "raw", "settled")
  end,

  cost = function(facts)
    return { copied = facts.source.allocated, through_host = 2 * facts.source.allocated }
  end,

  steps = function()
    return { "copy the image with its snapshots (this cannot be stopped)",
      "remove siphon's own snapshot from the copy" }
  end,

  run = function(job)
    local place = job.target.place
    job:step("target.deep_copy", {
      detail = "image and snapshots copied to " .. place:text(),
      undo = { "remove_image_and_snapshots", place:data() },
      untouched = { "EEXIST" },
      act = function(note)
        local from <close> = assert(job:open_source())
        assert(from:deep_copy(place.pool, place.name, {
          features = place.features, order = job.facts.target.order, flatten = true,
          progress = job:meter("target.deep_copy", "copying", { size = job.snapshot.size, passes = 2 }),
        }))
        local image <close> = assert(place:open { read_only = false })
        note { image_id = image.id }
        for key in pairs(assert(image:metadata())) do assert(image:metadata_remove(key)) end
        drop_own_snapshot(job, image)
        local copied = assert(image:allocated())
        job:count { copied = copied, through_host = 2 * copied }
      end,
    })
  end,
}
