--- What the caller of a copy asked for, checked: one table that everything else reads and nothing changes.

local errors = require "siphon.errors"
local image_options = require "siphon.image_options"
local osd_options = require "siphon.osd_options"
local spec = require "siphon.spec"

local request = {}

local OPTIONS = {
  source = "string table", target = "string table",
  policy = "string", route = "string",
  pool = "string", image_id = "string", disk_format = "string", container_format = "string",
  timeout = "number", check_space = "boolean",
  flatten = "string", compress = "boolean", format_options = "string", scratch = "string",
  allow_format = "string", allow_encrypted = "boolean", fence_dead_owner = "boolean",
  freeze_command = "string", thaw_command = "string",
  target_conf = "string", target_id = "string", target_keyring = "string",
  conf = "string", cluster = "string", id = "string", name = "string", keyring = "string",
  connection = "any", glance = "any", on_event = "function",
  journal_pool = "string", no_journal = "boolean", resume = "boolean",
  os_cloud = "string table", os_region_name = "string", os_interface = "string", os_service_cloud = "string table",
}
for option, kind in pairs(image_options.TYPES) do OPTIONS[option] = kind end
for option, kind in pairs(osd_options.ASKED) do OPTIONS[option] = kind end

local UUID = "^" .. ("x"):rep(8) .. "%-xxxx%-xxxx%-xxxx%-" .. ("x"):rep(12) .. "$"
UUID = UUID:gsub("x", "%%x")

local function usage(message)
  return nil, errors.new("usage", nil, message)
end

local function check_source(source)
  if source.kind ~= "rbd" then
    return usage(("the source has to be an RBD image, not '%s'"):format(tostring(source)))
  end
  return true
end

local function check_target(asked)
  local target = asked.target
  if target.kind == "rbd" then
    if target.snapshot then
      return usage(("the target '%s' names a snapshot: a copy is a new image, leave '@%s' out")
        :format(tostring(target), target.snapshot))
    end
    for _, option in ipairs { "pool", "image_id" } do
      if asked[option] then
        return usage(("--%s goes with a target glance:NAME; '%s' names its pool and image itself")
          :format(option:gsub("_", "-"), tostring(target)))
      end
    end
    local option = image_options.first_given(asked)
    if option then
      return usage(("'%s' is about a Glance image, and the target '%s' is none"):format(option, tostring(target)))
    end
  end
  return image_options.check(asked)
end

-- Changed in place to small letters; or nil and an error.
local function check_uuid(asked, option)
  if not asked[option] then return true end
  if not asked[option]:find(UUID) then
    return usage(("--%s '%s' is not a UUID"):format(option:gsub("_", "-"), asked[option]))
  end
  asked[option] = asked[option]:lower()
  return true
end

local function check_way(asked)
  if asked.flatten and asked.flatten ~= "mgr" and asked.flatten ~= "host" then
    return usage(("--flatten is 'mgr' or 'host', not '%s'"):format(asked.flatten))
  end
  if (asked.freeze_command == nil) ~= (asked.thaw_command == nil) then
    return usage "--freeze-command and --thaw-command go together"
  end
  if asked.freeze_command and asked.source.snapshot then
    return usage(("--freeze-command is for the moment of the snapshot, and '%s' names one that was taken already")
      :format(tostring(asked.source)))
  end
  local ok, option, problem = osd_options.check(asked)
  if not ok then return usage(("--%s %s"):format(option:gsub("_", "-"), problem)) end
  return true
end

-- Handles, and what depends on who runs the job. A cloud that is given as a table has a password or a token in it, and
-- is the giver's; the name of one means the same to others.
local NOT_RECORDED = {
  connection = true, glance = true, on_event = true, resume = true, no_journal = true, journal_pool = true,
  conf = true, cluster = true, id = true, name = true, keyring = true,
}

local function absolute(path)
  local here = os.getenv "PWD"
  if not here or not path:find "/" or path:sub(1, 1) == "/" then return path end
  return here .. "/" .. path
end

--- The options that another process needs to do the same, as plain data.
function request.record(options)
  local record = {}
  for key, value in pairs(options) do
    local is_identity = type(value) == "table" and (key == "os_cloud" or key == "os_service_cloud")
    if not NOT_RECORDED[key] and not is_identity then record[key] = key ~= "properties" and type(value) == "table" and
      getmetatable(value) and tostring(value) or value end
  end
  if record.policy then record.policy = absolute(record.policy) end
  return record
end

--- Checks the options of siphon.copy and siphon.plan (documented there). Misuse (an unknown key, a wrong
-- type) raises; what a user may have mistyped gives nil and an error of code "usage" or "spec.syntax".
function request.new(options, op)
  errors.check_options(op, options, OPTIONS)
  local asked = {}
  for key, value in pairs(options) do asked[key] = value end
  -- A record that is there has its name; whoever gives one all the same wants it compared.
  asked.target_named = options.target ~= nil
  if options.existing_image and not options.target then asked.target = "glance:" .. options.existing_image end
  for _, field in ipairs { "source", "target" } do
    if not asked[field] then errors.misuse(op, ("option '%s' is missing"):format(field)) end
    local parsed, err = spec.parse(asked[field])
    if not parsed then return nil, err end
    asked[field] = parsed
  end
  local ok, err = check_source(asked.source)
  if ok then ok, err = check_target(asked) end
  if ok then ok, err = check_way(asked) end
  if ok then ok, err = check_uuid(asked, "image_id") end
  if ok then ok, err = check_uuid(asked, "existing_image") end
  if ok then ok, err = check_uuid(asked, "properties_from") end
  if not ok then return nil, err end
  if asked.timeout and asked.timeout <= 0 then return usage("--timeout has to be more than 0 seconds") end
  if not asked.existing_image then -- which has its own: see siphon.target.record
    asked.disk_format = asked.disk_format or "raw"
    asked.container_format = asked.container_format or "bare"
  end
  if asked.check_space == nil then asked.check_space = true end
  return asked
end

return request
