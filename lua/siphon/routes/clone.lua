--- Route `clone`: the image stays a copy-on-write clone of the volume's snapshot. Nothing is copied, ever.
--
-- What that means: the snapshot siphon-<job> stays on the volume, protected. As long as the image exists, neither
-- the snapshot nor the volume can be removed (Cinder will flatten the image, through its own host, when the volume
-- is deleted); reading the image reads the volume's pool, which Glance's and Nova's Ceph users must be allowed to;
-- and a lost volume pool is a lost image. Once the image is gone: `rbd snap unprotect` and `rbd snap rm` on the
-- snapshot. So no policy of siphon's takes it; one of yours, or --route clone, may.

local cloning = require "siphon.routes.cloning"
local conditions = require "siphon.routes.conditions"

return {
  summary = "a copy-on-write clone that stays one: the volume can no longer be removed",

  unsuitable = cloning.UNSUITABLE,

  parent = "kept",

  applies = function(facts)
    return conditions.check(facts, "same_cluster", "raw", "writable", "layering", "settled")
  end,

  cost = function()
    return { copied = 0, through_host = 0 }
  end,

  steps = function()
    return { "clone the snapshot", "remove the image-meta that the clone took along" }
  end,

  run = function(job) cloning.make(job) end,
}
