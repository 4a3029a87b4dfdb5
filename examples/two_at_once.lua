-- Two volumes become images at the same time; if one fails, the other is undone.
--
--   siphon run examples/two_at_once.lua POOL VOLUME VOLUME

local pool, first, second = table.unpack(arg)
if not second then
  io.stderr:write("usage: siphon run two_at_once.lua POOL VOLUME VOLUME\n")
  os.exit(64)
end

local function image_of(volume)
  return function()
    return assert(siphon.copy { source = pool .. "/" .. volume, target = "glance:" .. volume, pool = "images" })
  end
end

for _, image in ipairs(siphon.task.gather { image_of(first), image_of(second) }) do
  print(image.image_id, image.location)
end
