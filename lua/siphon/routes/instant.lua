--- Route `instant`: the image is a copy-on-write clone when it becomes active, a second or two after the start. Then
-- ceph-mgr flattens it, snapshot "snap" included (deep-flatten), and only then the source's snapshot goes.
--
-- In between the image reads through to the volume's pool: Glance's own Ceph user needs to read there, and the
-- volume cannot be deleted. An image that is active stays so when the flattening has to wait.

local cloning = require "siphon.routes.cloning"
local conditions = require "siphon.routes.conditions"
local errors = require "siphon.errors"

return {
  summary = "a clone, active at once and flattened by ceph-mgr afterwards",

  unsuitable = cloning.UNSUITABLE,

  parent = "meanwhile",

  applies = function(facts)
    return conditions.check(facts, "same_cluster", "raw", "writable", "layering", "settled", "mgr_tasks")
  end,

  cost = function(facts)
    return cloning.cost(facts, false)
  end,

  steps = function()
    return { "clone the snapshot", "remove the image-meta that the clone took along" }
  end,

  steps_after = function()
    return { "have ceph-mgr flatten the image, and wait for that" }
  end,

  run = function(job) cloning.make(job, true) end,

  finish = function(job)
    cloning.flatten_by_mgr(job)
    job:step("target.verify_flat", { detail = "no parent left", again = true, act = function()
      for _, at in ipairs { false, job.target.SNAPSHOT or false } do
        local image <close> = assert(job.target.place:open { snapshot = at or nil })
        if assert(image:info()).parent then
          errors.raise("verify.parent", "job.verify", job.target.place:text() .. " still depends on a parent image")
        end
      end
    end })
  end,
}
