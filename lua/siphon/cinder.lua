--- Cinder's block storage API v3, as far as a copy needs it: what a volume says of the image it was made from.
--
--   local volume = assert(siphon.cinder.volume(cloud, "0f6ab3c2-..."))
--   local properties = siphon.cinder.image_properties(volume)

local core = require "siphon.core"
local errors = require "siphon.errors"
local failures = require "siphon.glance.failure"
local json = require "siphon.json"

local cinder = {}

local TIMEOUT, RETRIES, RETRY_WAIT = 60, 3, 0.5 -- seconds, times, seconds
local SERVICE = "block-storage"
local KEY_VERSION = "volume 3.64" -- the first that tells an encrypted volume's key (Wallaby)

-- What Cinder itself leaves out when it makes an image of a volume: cinder/image/glance.py (glance_core_properties)
-- and cinder/image/image_utils.py (GLANCE_RESERVED_NAMESPACES). A cloud may have configured more of either; that is
-- not to be seen from outside.
local CORE = {
  checksum = true, container_format = true, disk_format = true, image_name = true, image_id = true, min_disk = true,
  min_ram = true, name = true, size = true,
}
local RESERVED = { "os_glance", "img_signature", "signature_verified" }

-- --- asking -----------------------------------------------------------------------------------------------

local CODES = {
  [400] = "cinder.bad_request", [401] = "cinder.unauthorized", [403] = "cinder.forbidden", [404] = "cinder.not_found",
  [406] = "cinder.version", [429] = "cinder.server",
}

local ADVICE = {
  [400] = "the endpoint in the catalog may be that of another project",
  [401] = "the token is missing, wrong or expired: a new one is needed (openstack token issue, OS_TOKEN)",
  [403] = "Cinder's policy volume:get does not allow it to this user's role",
  [404] = "it was deleted, or this project does not see it",
  [406] = "this Cinder does not know that version of its API",
}

-- Cinder's words: { itemNotFound = { message = "...", code = 404 } }
local function words_of(response)
  local answer = json.decode(response.body or "")
  if type(answer) == "table" then
    for _, fault in pairs(answer) do
      if type(fault) == "table" and type(fault.message) == "string" then return (fault.message:gsub("%s+", " ")) end
    end
  end
  return failures.words(response)
end

local function refused(response, id)
  local status = response.status
  local words, advice = words_of(response), ADVICE[status] or status >= 500 and "cinder-api's log may say more"
  return errors.new(CODES[status] or status >= 500 and "cinder.server" or "cinder.unexpected", "cinder.show",
    ("%d %s%s"):format(status, words, advice and "; " .. advice or ""), {
      where = { url = (response.url:gsub("[?#].*", "")), volume_id = id },
      http = { status = status, request_id = response.headers["x-openstack-request-id"] },
      retryable = status >= 500 or status == 429,
    })
end

local TRY_AGAIN = { [429] = true, [502] = true, [503] = true, [504] = true }

-- A GET with the token of the moment, once more with a new one after 401, and again while Cinder is only passing
-- through a bad time.
local function get(cloud, url, version)
  local renewed, attempt = false, 0
  while true do
    local token, err = cloud.auth:token()
    if err then return nil, err end
    local response, problem = core.http.request {
      url = url, timeout = TIMEOUT, ca_file = cloud.ca_file, cert_file = cloud.cert_file, key_file = cloud.key_file,
      insecure = cloud.insecure,
      headers = { Accept = "application/json", ["X-Auth-Token"] = token, ["OpenStack-API-Version"] = version },
    }
    local passing = response and TRY_AGAIN[response.status] or problem and problem:is "http.cut"
    if response and response.status == 401 and not renewed then
      renewed = true
      if not cloud.auth:invalidate(token) then return response end
    elseif passing and attempt < RETRIES then
      core.task.sleep(RETRY_WAIT * 2 ^ attempt)
      attempt = attempt + 1
    else
      return response, problem
    end
  end
end

local function show(cloud, url, id, version)
  local response, err = get(cloud, url, version)
  if not response then return nil, err end
  if response.status ~= 200 then return nil, refused(response, id) end
  local answer = json.decode(response.body or "", { drop_null = true })
  if type(answer) ~= "table" or type(answer.volume) ~= "table" then
    return nil, errors.new("cinder.not_json", "cinder.show", "the answer is not Cinder's: is its endpoint in the "
      .. "catalog right, or is a proxy in between?", { where = { url = url, volume_id = id } })
  end
  return answer.volume
end

--- The record of a volume, as Cinder gives it, without its nulls; of one that is encrypted also `encryption_key_id`,
-- where Cinder tells it (Wallaby and later).
--- @param cloud table as siphon.clouds.open gives it
--- @param id string UUID
--- @return table volume, or nil and an error of code "cinder.*", or what kept it from being asked
function cinder.volume(cloud, id)
  local endpoint, err = cloud:endpoint(SERVICE)
  if not endpoint then return nil, err end
  local url = ("%s/volumes/%s"):format(endpoint:gsub("/+$", ""), id)
  local volume, problem = show(cloud, url, id)
  if not volume or not volume.encrypted then return volume, problem end
  local more, why = show(cloud, url, id, KEY_VERSION)
  if more or not why:is "cinder.version" then return more, why end
  return volume
end

-- --- what it says -----------------------------------------------------------------------------------------

local function is_reserved(name)
  for _, prefix in ipairs(RESERVED) do
    if name:sub(1, #prefix) == prefix then return true end
  end
  return CORE[name] or false
end

--- The properties that an image made of the volume gets: the volume's image metadata, filtered as Cinder filters it,
-- and for an encrypted volume the key. That key is the volume's own (Cinder would make a copy of it): it must not go
-- with the image, and the image is of no use once the volume, and with it the key, is gone.
function cinder.image_properties(volume)
  local properties = {}
  for name, value in pairs(volume.volume_image_metadata or {}) do
    if not is_reserved(name) then properties[name] = tostring(value) end
  end
  if volume.encrypted and volume.encryption_key_id then
    properties.cinder_encryption_key_id = volume.encryption_key_id
    properties.cinder_encryption_key_deletion_policy = "do_not_delete"
  end
  return properties
end

return cinder
