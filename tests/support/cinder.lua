--- Cinder's API as the specs use it, on a bed of support.keystone_bed that has a Cinder: as its user `demo` unless said
-- otherwise.

local bed = require "support.keystone_bed"
local core = require "siphon.core"
local json = require "siphon.json"

local cinder = {}

local PATIENCE = 180 -- seconds for whatever Cinder is asked for

--- A call; the decoded answer and the status. options: user, json.
function cinder.call(method, path, options)
  options = options or {}
  local token = assert(bed.client(options.user or "demo").auth:token())
  local response = assert(core.http.request {
    method = method, url = bed.env.TESTBED_CINDER_URL .. "/v3" .. path, body = options.json and json.encode(options.json),
    headers = {
      ["X-Auth-Token"] = token, ["Content-Type"] = "application/json", Accept = "application/json",
      ["OpenStack-API-Version"] = "volume 3.68",
    },
  })
  return response.body ~= "" and json.decode(response.body, { drop_null = true }) or nil, response.status, response.body
end

local function done(method, path, options)
  local answer, status, body = cinder.call(method, path, options)
  if status >= 300 then error(("%s %s: %d %s"):format(method, path, status, body), 2) end
  return answer
end
cinder.done = done

--- Calls `look` until it returns something.
function cinder.wait(what, look)
  local deadline = core.task.now() + PATIENCE
  while core.task.now() < deadline do
    local found = look()
    if found then return found end
    core.task.sleep(0.25)
  end
  error("in vain: " .. what, 2)
end

--- Waits for a volume to be in one of these states.
function cinder.settled(id, ...)
  local states = { ... }
  return cinder.wait(("volume %s to be %s"):format(id, table.concat(states, " or ")), function()
    local volume = done("GET", "/volumes/" .. id).volume
    for _, state in ipairs(states) do
      if volume.status == state then return volume end
    end
    if volume.status:find "^error" then error("volume " .. id .. " is in " .. volume.status, 0) end
  end)
end

--- A volume of 1 GiB, or what `fields` say; its id.
function cinder.volume(fields)
  local volume = { size = 1, name = "spec" }
  for key, value in pairs(fields or {}) do volume[key] = value end
  local id = done("POST", "/volumes", { json = { volume = volume } }).volume.id
  cinder.settled(id, "available")
  return id
end

--- Where Cinder keeps it.
function cinder.spec(id)
  return "volumes/volume-" .. id
end

function cinder.action(id, name, fields, user)
  return done("POST", "/volumes/" .. id .. "/action", { json = { [name] = fields }, user = user })
end

--- Begins an upload; the image's id.
function cinder.upload(id, fields)
  local image = { image_name = "spec", disk_format = "raw", container_format = "bare" }
  for key, value in pairs(fields or {}) do image[key] = value end
  return cinder.action(id, "os-volume_upload_image", image)["os-volume_upload_image"].image_id
end

--- Deletes it and waits until it is gone.
function cinder.delete(id)
  done("DELETE", "/volumes/" .. id)
  cinder.wait(("volume %s to go"):format(id), function()
    local answer, status = cinder.call("GET", "/volumes/" .. id)
    if status ~= 404 and answer.volume.status:find "^error" then error("it is in " .. answer.volume.status, 0) end
    return status == 404
  end)
end

return cinder
