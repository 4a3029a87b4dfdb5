--- Glance stores the bytes itself: the part of the target glance:NAME that the routes `upload` and `convert` use
-- instead of making an image in the pool of Glance's store.

local errors = require "siphon.errors"

local upload = {}

local function failed(image_id, text)
  errors.raise("verify.size", "job.verify", text, { where = { image_id = image_id } })
end

-- Glance's record afterwards: active, and as many bytes as were sent.
local function compare(target, size)
  local image = assert(target.client:wait(target.image_id, { status = "active" }))
  if image.size ~= size then
    failed(target.image_id, ("Glance counts %s bytes in the image, %d were sent"):format(tostring(image.size), size))
  end
  return image
end

--- Steps glance.upload and glance.active. body: an Image, or { file = path }; what.size: its bytes; what.counted:
-- bytes read to make it, where they are not the body's own.
function upload.run(target, job, body, what)
  local data = { image_id = target.image_id }
  if target.place then data = target.place:data(data) end
  job:step("glance.upload", {
    detail = "data sent to Glance",
    undo = { target.existing and "give_back_glance_image" or "delete_upload", data },
    holds = { "glance.update" },
    act = function()
      assert(target.client:upload(target.image_id, body, {
        store = target.store and target.store.id, progress = job:meter("glance.upload", "sending"),
      }))
      job:count { copied = what.size, through_host = what.size + (what.counted or what.size) }
    end,
  })
  target.uploaded = { size = what.size }
  job:step("glance.active", { detail = ("image %s is active"):format(target.image_id), act = function()
    target.uploaded.record = compare(target, what.size)
  end })
end

return upload
