--- Renaming an image, so that it can be taken up again. librbd writes the new name's object (rbd_id.NAME), renames the
-- image in the pool's list, and removes the old name's object; a client that dies in between leaves both names, and
-- from then on the image can be renamed neither way.

local core = require "siphon.core"

local renaming = {}

local DIRECTORY, LOCK = "rbd_directory", "siphon.publish"
local LEASE, PATIENCE = 10, 30 -- seconds for which the lock holds, and for which it is waited for

--- The id of the image of that name, or nil.
function renaming.id_of(pool, name)
  local image <close> = core.rbd.open(pool, name)
  return image and image.id
end

-- What the pool's list calls the image.
local function listed_name(pool, id)
  for _, entry in ipairs(core.rbd.list(pool) or {}) do
    if entry.id == id then return entry.name end
  end
end

--- Renames an image. EEXIST when there is one of the new name. Of two clients that give one name at the same moment,
-- librbd lets both have it, and one of the images is lost: so siphon does it one after the other in each pool.
function renaming.rename(pool, from, to)
  local cookie = core.system.random(8):gsub(".", function(c) return ("%02x"):format(c:byte()) end)
  local deadline = core.task.now() + PATIENCE
  while true do
    local ok, err = pool:lock(DIRECTORY, LOCK, { cookie = cookie, duration = LEASE, description = "naming an image" })
    if ok then break end
    if not err:is "EBUSY" or core.task.now() > deadline then return nil, err end
    core.task.sleep(0.1)
  end
  return core.task.shield(function()
    local ok, err = core.rbd.rename(pool, from, to)
    pool:unlock(DIRECTORY, LOCK, cookie)
    return ok, err
  end)
end

--- Where both names lead to the image of that id, takes away the one that is not on the pool's list.
function renaming.mend(pool, id, one, other)
  if renaming.id_of(pool, one) ~= id or renaming.id_of(pool, other) ~= id then return end
  local name = listed_name(pool, id)
  if name ~= one and name ~= other then return end
  pool:remove("rbd_id." .. (name == one and other or one))
end

return renaming
