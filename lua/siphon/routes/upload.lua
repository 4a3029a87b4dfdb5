--- Route `upload`: this host reads the snapshot and sends it to Glance's PUT, several reads in flight and no scratch
-- file. Works whatever store Glance has, and wherever: it needs no right to write in any pool. Glance reads along
-- and computes its hashes, so the image has a checksum.

local conditions = require "siphon.routes.conditions"

return {
  summary = "this host sends the snapshot to Glance, which stores it",

  unsuitable = {},

  uploads = true,

  throttled = true,

  applies = function(facts)
    return conditions.check(facts, "to_glance", "raw")
  end,

  -- Each byte is read here and sent from here, holes included; Glance then writes it.
  cost = function(facts)
    return { copied = facts.source.size, through_host = facts.source.allocated + facts.source.size }
  end,

  steps = function()
    return { "send the snapshot to Glance, which stores it and computes its hashes" }
  end,

  run = function(job)
    local from <close> = assert(job:open_source())
    job.target:upload(job, from, { size = job.snapshot.size })
  end,
}
