--- Renaming an image, so that it can be taken up again. librbd writes the new name's object (rbd_id.NAME), renames the
-- image in the pool's list, and removes the old name's object; a client that dies in between leaves both names, and
-- from then on the image can be renamed neither way.

local core = require "siphon.core"

local renaming = {}

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

--- Where both names lead to the image of that id, takes away the one that is not on the pool's list.
function renaming.mend(pool, id, one, other)
  if renaming.id_of(pool, one) ~= id or renaming.id_of(pool, other) ~= id then return end
  local name = listed_name(pool, id)
  if name ~= one and name ~= other then return end
  pool:remove("rbd_id." .. (name == one and other or one))
end

return renaming
