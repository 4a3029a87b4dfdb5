-- Refreshes a golden image: a new one of the same name is made, then the old ones are hidden from listings, and all but
-- the newest KEEP are deleted. Until the new image is active, nothing changes for anybody.
--
--   siphon run examples/golden_nightly.lua VOLUME NAME [KEEP]
--
-- Every night, with systemd (or one line of cron):
--   systemd-run --on-calendar=03:00 --unit=golden siphon run golden_nightly.lua volumes/debian debian-12 3

local volume, name, keep = arg[1], arg[2], math.tointeger(tonumber(arg[3] or 2))
if not name or not keep or keep < 1 then
  io.stderr:write("usage: siphon run golden_nightly.lua VOLUME NAME [KEEP]\n")
  os.exit(64)
end

local glance = assert(siphon.clouds.connect(assert(siphon.clouds.open {})))

-- Before anything is made, so that only the images of former nights are touched: those this script made.
local former = assert(glance:list { name = name, tag = { "golden" }, status = "active", sort = "created_at:desc" })
local hidden = assert(glance:list { name = name, tag = { "golden" }, status = "active", os_hidden = "true",
  sort = "created_at:desc" })
table.move(hidden, 1, #hidden, #former + 1, former)

local image = assert(siphon.copy {
  source = volume, target = "glance:" .. name, pool = os.getenv "GLANCE_POOL", tags = { "golden" },
  glance = glance,
})
print(("%s is now %s"):format(name, image.image_id))

for i, old in ipairs(former) do
  if i >= keep then
    -- In use by a server that was cloned from it: a later night tries again.
    local ok, err = glance:delete(old.id)
    print(ok and "deleted " .. old.id or ("kept %s: %s"):format(old.id, err.message))
  elseif not old.os_hidden then
    assert(glance:update(old.id, { { op = "replace", path = "/os_hidden", value = true } }))
    print("hidden " .. old.id)
  end
end
