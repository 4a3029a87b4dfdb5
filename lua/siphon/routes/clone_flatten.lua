--- Route `clone_flatten`: a copy-on-write clone of the snapshot, flattened before it is sealed. The clone is there
-- at once; the flattening then moves every object that exists, through this host as `rbd flatten` does, or with
-- flatten = "mgr" through ceph-mgr's host.

local cloning = require "siphon.routes.cloning"
local conditions = require "siphon.routes.conditions"

local function by_mgr(facts)
  return facts.options.flatten == "mgr"
end

return {
  summary = "a clone of the snapshot, flattened by this host, or with --flatten=mgr by ceph-mgr",

  unsuitable = cloning.UNSUITABLE,

  applies = function(facts)
    return conditions.check(facts, "same_cluster", "raw", "writable", "layering", "settled",
      by_mgr(facts) and "mgr_tasks" or nil)
  end,

  cost = function(facts)
    return cloning.cost(facts, not by_mgr(facts))
  end,

  steps = function(facts)
    return { "clone the snapshot", "remove the image-meta that the clone took along",
      by_mgr(facts) and "have ceph-mgr flatten the clone" or "flatten the clone" }
  end,

  run = function(job)
    cloning.make(job, by_mgr(job.facts))
    if by_mgr(job.facts) then cloning.flatten_by_mgr(job) else cloning.flatten_here(job) end
  end,
}
