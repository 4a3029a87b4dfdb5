--- What the routes that begin with a clone have in common: making it, cleaning it of what it took along, and having
-- ceph-mgr flatten it.

local core = require "siphon.core"
local errors = require "siphon.errors"
local mgr = require "siphon.mgr"

local cloning = {}

--- Codes of errors in making a clone which another route may not meet.
cloning.UNSUITABLE = { "EPERM", "EACCES", "EINVAL", "EXDEV", "ENOSYS", "EOPNOTSUPP", "EROFS" }

-- A clone needs objects at least as large as its parent's (librbd: EINVAL otherwise). Its stripe unit is set with
-- them: left out it is the parent's, which with larger objects makes a striped image, and Cinder takes the stripe
-- unit of an image for its object size.
local function order_of(facts)
  return math.max(facts.source.order, facts.target.order)
end

-- librbd enters an object into the map before it writes it, and a flatten that is taken up again skips what is in
-- the map. So a manager that dies over an image with a map can leave holes in it. Without a map each object is
-- looked at.
local MAPS = { "object-map", "fast-diff" }

-- The items of `list` that are not in `others`.
local function without(list, others)
  local drop, rest = {}, {}
  for _, item in ipairs(others) do drop[item] = true end
  for _, item in ipairs(list) do
    if not drop[item] then rest[#rest + 1] = item end
  end
  return rest
end

--- Steps target.clone and target.strip: a copy-on-write clone of the snapshot in job.target.place, without
-- image-meta. `for_mgr`: ceph-mgr is going to flatten it.
function cloning.make(job, for_mgr)
  local place = job.target.place
  local features = for_mgr and without(place.features, MAPS) or place.features
  job:step("target.clone", {
    detail = "clone " .. place:text(),
    undo = { "remove_image", place:data() },
    untouched = { "EEXIST" },
    act = function(note)
      local from <close> = assert(job:open_source())
      local order = order_of(job.facts)
      assert(from:clone(job.snapshot.name, place.pool, place.name, {
        features = features, order = order, stripe_unit = 1 << order, stripe_count = 1,
      }))
      local image <close> = assert(place:open())
      note { image_id = image.id }
    end,
  })
  job:step("target.strip", { detail = "image-meta removed", again = true, act = function()
    local image <close> = assert(place:open { read_only = false })
    for key in pairs(assert(image:metadata())) do assert(image:metadata_remove(key)) end
  end })
end

--- Step target.flatten, done by this host.
function cloning.flatten_here(job)
  local place = job.target.place
  job:step("target.flatten", {
    detail = "clone flattened",
    restart = true, -- an image with a map that says more than there is: see MAPS
    act = function()
      local image <close> = assert(place:open { read_only = false })
      local meter = job:meter("target.flatten", "flattening", { size = job.snapshot.size, passes = 2 })
      assert(image:flatten { progress = meter })
      -- librbd does not tell what it moved: each object that the clone now has was read and written here.
      local copied = assert(image:allocated())
      job:count { copied = copied, through_host = 2 * copied }
    end,
  })
end

-- Seconds in which ceph-mgr may list no task although the parent is still there: one that has just taken over answers
-- before it has read the tasks of all pools.
local VANISHED = 60

local FULL_AFTER = 10 -- seconds without progress after which ceph-mgr may be waiting for room

-- Whether the image has been parted from its parent.
local function is_flat(place)
  local image <close> = assert(place:open())
  return assert(image:info()).parent == nil
end

-- Looks after ceph-mgr's task until the parent is gone.
local function follow(cluster, place, id, report)
  local seen, said = core.task.now(), nil
  while true do
    local task, err = mgr.find(cluster, id)
    if err then error(err, 0) end
    if task then
      seen = core.task.now()
      report(task.progress or 0, task.retry_message ~= said and task.retry_message or nil)
      said = task.retry_message
    elseif is_flat(place) then
      return
    elseif core.task.now() - seen > VANISHED then
      errors.raise("mgr.task", "mgr.flatten", ("%s: ceph-mgr dropped the task before the clone was flat; its log "
        .. "has the reason"):format(place:text()))
    end
    core.task.sleep(mgr.LOOK_EVERY)
  end
end

-- Gives the image, and the snapshots that it has, the maps that the clone was made without.
local function add_maps(place)
  local image <close> = assert(place:open { read_only = false })
  local missing = without(MAPS, assert(image:info()).features)
  if #missing > 0 then assert(image:update_features { enable = missing }) end
  assert(image:rebuild_object_map())
  for _, snapshot in ipairs(assert(image:snapshots())) do
    local at <close> = assert(place:open { snapshot = snapshot.name, read_only = false })
    assert(at:rebuild_object_map())
  end
end

--- Steps target.flatten and target.map, the first done by ceph-mgr: they return when the clone has no parent any
-- more. Cancelling the job cancels the task.
function cloning.flatten_by_mgr(job)
  local place = job.target.place
  local cluster = place.pool.cluster
  job:step("target.flatten", {
    detail = "clone flattened by ceph-mgr",
    undo = { "cancel_mgr_task", place:data() },
    again = true, -- asking twice gives the same task
    found = function() return is_flat(place) or nil end,
    act = function()
      local task = assert(mgr.flatten(cluster, place:text()))
      local meter = job:meter("target.flatten", "ceph-mgr flattens", { size = job.snapshot.size })
      local watch = mgr.room_watch(FULL_AFTER, function() return place:free() == 0 end, function()
        local text = "the pool '%s' is full, or its quota is: ceph-mgr waits for room"
        job:emit_step("target.flatten", "note", { detail = text:format(place.pool.name) })
      end)
      follow(cluster, place, task.id, function(progress, problem)
        meter(math.floor(progress * 1000), 1000)
        watch(progress)
        if problem then
          job:emit_step("target.flatten", "note", { detail = "ceph-mgr tries again later: " .. problem })
        end
      end)
    end,
  })
  job:step("target.map", { detail = "object map made", again = true, act = function()
    add_maps(place)
    local image <close> = assert(place:open())
    job:count { copied = assert(image:allocated()) }
  end })
end

--- What the routes cost that clone and flatten: the objects that exist; those who flatten also read them.
function cloning.cost(facts, through_host)
  return { copied = facts.source.allocated, through_host = through_host and 2 * facts.source.allocated or 0 }
end

return cloning
