--- Glance stores the bytes itself: the part of the target glance:NAME that the routes `upload` and `convert` use
-- instead of making an image in the pool of Glance's store.

local core = require "siphon.core"
local errors = require "siphon.errors"
local hashes = require "siphon.hashes"

local upload = {}

local function failed(image_id, text)
  errors.raise("verify.size", "job.verify", text, { where = { image_id = image_id } })
end

-- Glance's record afterwards: active, as many bytes as were sent, and of the same hashes.
local function compare(target, size, hash)
  local image = assert(target.client:wait(target.image_id, { status = "active" }))
  if image.size ~= size then
    failed(target.image_id, ("Glance counts %s bytes in the image, %d were sent"):format(tostring(image.size), size))
  end
  if hash then hashes.compare(hash, image, "job.verify") end -- a job that was cut off may not know what it sent
  return image
end

-- The hashes that the image has: Glance's, whose algorithm is its own.
local function hashes_of(record, asked, job)
  if asked and record.os_hash_algo and record.os_hash_algo ~= asked then
    local text = ("this Glance hashes by %s (hashing_algorithm), not by %s"):format(record.os_hash_algo, asked)
    job:emit_step("glance.active", "note", { detail = text })
  end
  if not record.checksum and not record.os_hash_value then return nil end
  return { checksum = record.checksum, os_hash_algo = record.os_hash_algo, os_hash_value = record.os_hash_value }
end

-- On a full pool Glance does not fail: it waits for room, and takes nothing more.
local function explain(target, err)
  local place = err:is "http.timeout" and target.place
  if not place or place:free() ~= 0 then return err end
  local text = "%s: the pool '%s' is full, or its quota is, and Glance waits for room"
  return errors.explain(err, text:format(err.message, place.pool.name))
end

local LOOK_EVERY = 0.5 -- seconds

-- Whether Glance has all of the data, once it is done with what was sent to it.
local function has_arrived(target)
  while true do
    local image = assert(target.client:show(target.image_id))
    if image.status ~= "saving" then return image.status == "active" or nil end
    core.task.sleep(LOOK_EVERY)
  end
end

--- Steps glance.upload and glance.active. body: an Image, or { file = path }; what.size: its bytes; what.counted:
-- those that were read to make it have been counted.
function upload.run(target, job, body, what)
  local data = { image_id = target.image_id }
  if target.place then data = target.place:data(data) end
  local hash = job:step("glance.upload", {
    detail = "data sent to Glance",
    undo = { target.existing and "give_back_glance_image" or "delete_upload", data },
    holds = { "glance.update" },
    keep = true,
    found = function() return has_arrived(target) and false end, -- false: what was sent had a hash that is not known
    act = function()
      local sent, digest = target.client:upload(target.image_id, body, {
        store = target.store and target.store.id, digest = job.request.hash or hashes.DEFAULT,
        progress = job:meter("glance.upload", "sending", {
          passes = what.counted and 1 or 2, exact = true,
        }),
      })
      if not sent then error(explain(target, digest), 0) end
      job:count { copied = what.size, through_host = what.counted and what.size or 2 * what.size }
      return hashes.of(digest)
    end,
  })
  target.uploaded = { size = what.size }
  job:step("glance.active", { detail = ("image %s is active"):format(target.image_id), again = true, act = function()
    target.uploaded.record = compare(target, what.size, hash)
    job.hash = hashes_of(target.uploaded.record, job.request.hash, job)
  end })
end

return upload
