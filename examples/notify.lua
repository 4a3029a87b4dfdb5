-- Copies, and tells a web hook how it went, whichever way that is. A hook that does not answer changes nothing.
--
--   siphon run examples/notify.lua URL VOLUME NAME

local url, volume, name = table.unpack(arg)
if not name then
  io.stderr:write("usage: siphon run notify.lua URL VOLUME NAME\n")
  os.exit(64)
end

local function tell(message)
  local answer, err = siphon.http.request {
    url = url, method = "POST", headers = { ["Content-Type"] = "application/json" },
    body = siphon.json.encode(message), timeout = 10,
  }
  if not answer then io.stderr:write("the hook was not told: ", err.message, "\n") end
end

local image, err = siphon.copy { source = volume, target = "glance:" .. name, pool = os.getenv "GLANCE_POOL" }
if not image then
  tell { text = ("no image of %s: %s"):format(volume, err.message), code = err.code, retryable = err.retryable }
  io.stderr:write(tostring(err), "\n")
  os.exit(1)
end
tell { text = ("%s is an image now"):format(volume), image_id = image.image_id, seconds = image.seconds }
print(image.image_id)
