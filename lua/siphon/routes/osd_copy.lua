--- Route `osd_copy`: the OSDs copy the objects among themselves; this host sends small orders. See
-- docs/osd-copy.md for how each object is copied, what is verified, and what the rights are about.
--
-- It makes the image with the source's object size and striping, whatever Glance's store uses for its own:
-- objects are copied as they are. In all else the image is like one that Glance stored itself.

local conditions = require "siphon.routes.conditions"
local errors = require "siphon.errors"
local lists = require "siphon.lists"
local osd_options = require "siphon.osd_options"
local units = require "siphon.units"

-- A formatted clone has data of its own key over data of its parent's: objects of both make no image.
local function is_layered_encryption(source)
  if not source.encrypted then return false end
  return source.encrypted:find("layered", 1, true) ~= nil
end

local function verify_step(verify)
  if verify == "none" then return {} end
  return { verify == "read" and "compare by reading both sides here" or "compare the OSDs' checksums of each object" }
end

-- What the user asked for, then what the policy says, then the primitive's own.
local function options_of(request, policy)
  local options = {}
  for key in pairs(osd_options.TYPES) do
    options[key] = request[key]
    if options[key] == nil and policy then options[key] = policy[key] end
  end
  return options
end

-- Gives act the source at the snapshot. librbd keeps the map of a snapshot with each handle (6.5 MB for 100 TiB): the
-- one that the facts came from will do, if it is at that snapshot.
local function with_source(job, act)
  if job.source.snapshot then return act(job.source.image) end
  local from <close> = assert(job:open_source())
  return act(from)
end

return {
  summary = "the OSDs copy the objects among themselves",

  unsuitable = { "EPERM", "EACCES", "EOPNOTSUPP", "ENOSYS", "source.map" },

  applies = function(facts)
    local applies, reason, code = conditions.check(facts, "same_cluster", "raw", "writable", "settled")
    if not applies then return false, reason, code end
    if lists.has(facts.source.features, "dirty-cache") then return false, "a client caches writes to the source" end
    if is_layered_encryption(facts.source) then
      return false, "the source is a clone with an encryption of its own over its parent's"
    end
    return true
  end,

  cost = function(facts)
    return { copied = facts.source.allocated, through_host = 0 }
  end,

  steps = function(facts)
    local list = {
      ("create the image with objects of %s, its map marked invalid"):format(units.bytes(facts.source.object_size)),
      ("the OSDs copy each object that exists, %d at most"):format(
        math.ceil(facts.source.allocated / facts.source.object_size)),
    }
    for _, text in ipairs(verify_step(facts.options.verify)) do list[#list + 1] = text end
    list[#list + 1] = "clear the image for use"
    return list
  end,

  run = function(job)
    local place = job.target.place
    job:step("target.create", {
      detail = "image " .. place:text(),
      undo = { "remove_image", place:data() },
      untouched = { "EEXIST" },
      act = function(note)
        with_source(job, function(from)
          note { image_id = assert(from:osd_create(place.pool, place.name, { features = place.features })) }
        end)
      end,
    })
    job:step("target.copy", {
      detail = "copied by the OSDs",
      again = true, -- from the last checkpoint on, which is kept in the target
      act = function()
        local options = options_of(job.request, job.situation.policy.table.osd_copy)
        options.progress = job:meter("target.copy", "copying", { passes = options.verify == "read" and 2 or 0 })
        local moved, err = with_source(job, function(from)
          return from:osd_copy(place.pool, place.name, options)
        end)
        -- A job that was cut off between the end of the copying and the record of it: a target that is compared and
        -- cleared for use is no unfinished copy any more.
        if not moved and err:is "EEXIST" and job.resumed then return end
        if not moved and err:is "source.changed" then
          err = errors.explain(err, err.message .. "; copy it again from a snapshot that stays")
        end
        if not moved then return nil, err end
        job:count { copied = moved.copied, through_host = moved.through_host + moved.verify_through_host }
      end,
    })
  end,
}
