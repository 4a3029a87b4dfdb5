--- The watch that an OSD never forgets: of a client that was killed in the very moment in which it opened an image. A
-- fault of Ceph (16.2) that kills under load meet now and then; docs/operations.md says what to do about it.

local core = require "siphon.core"

local ceph = require "support.ceph"
local eventually = require "support.eventually"
local fences = require "support.fences"

local watches = {}

watches.dropped = 0 -- how often that was needed

--- Has the OSD drop the watches of barred clients on the image, if there is such an image with such a watch; returns
-- whether there was.
function watches.drop_dead(pool, name)
  local image <close> = core.rbd.open(pool, name)
  if not image then return false end
  local header, barred = "rbd_header." .. image.id, fences.standing()
  local is_dead = false
  for address in ceph.run(("rados -p %s listwatchers %s"):format(pool.name, header)):gmatch "watcher=(%S+)" do
    is_dead = is_dead or barred[address] or false
  end
  if not is_dead then return false end
  local group = ceph.admin(("osd map %s %s -f json"):format(pool.name, header)):match '"pgid":%s*"([^"]+)"'
  ceph.admin("pg repeer " .. group)
  watches.dropped = watches.dropped + 1
  return true
end

local function is_watched(pool, name)
  local image <close> = core.rbd.open(pool, name)
  return image ~= nil and #assert(image:watchers()) > 0
end

--- Waits until nobody watches the image, which can be removed then: the OSDs forget a client that is dead, and not barred,
-- after 30 seconds.
function watches.settle(pool, name)
  eventually("the end of the watches of " .. name, function()
    return not is_watched(pool, name) or watches.drop_dead(pool, name) and not is_watched(pool, name)
  end)
end

return watches
