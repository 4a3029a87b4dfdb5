-- One image in several stores of Glance: made in the RBD store by siphon, then carried to each of the others by Glance
-- itself, one after another. A store that fails is named, and the others have the image all the same.
--
--   siphon run examples/fan_out.lua VOLUME NAME STORE...
--
-- To carry is for admins, unless Glance's policy copy_image says otherwise.

local volume, name = arg[1], arg[2]
local stores = table.move(arg, 3, #arg, 1, {})
if #stores == 0 then
  io.stderr:write("usage: siphon run fan_out.lua VOLUME NAME STORE...\n")
  os.exit(64)
end

local glance = assert(siphon.clouds.connect(assert(siphon.clouds.open {})))
local image = assert(siphon.copy {
  source = volume, target = "glance:" .. name, pool = os.getenv "GLANCE_POOL", glance = glance,
})
print(image.image_id)

local failed = 0
local function carry(store)
  local options = { method = "copy-image", stores = { store } }
  local ok, err = glance:import(image.image_id, options)
  if ok then ok, err = glance:wait_import(image.image_id, { store }) end
  if not ok then failed = failed + 1 end
  print(("%s: %s"):format(store, ok and "there" or err.message))
end

-- Glance runs one import of an image at a time.
for _, store in ipairs(stores) do carry(store) end
os.exit(failed == 0 and 0 or 1)
