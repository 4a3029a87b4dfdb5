--- What a caller may ask of the Glance image that a copy becomes: the options of siphon.copy about the image's record,
-- beside those about its data. See siphon.target.record for what is made of them.

local errors = require "siphon.errors"
local hashes = require "siphon.hashes"
local lists = require "siphon.lists"
local nearest = require "siphon.nearest"

local image_options = {}

--- The options and their types, for errors.check_options.
image_options.TYPES = {
  existing_image = "string", visibility = "string", protected = "boolean", hidden = "boolean", tags = "table",
  min_disk = "integer", min_ram = "integer", owner = "string", properties = "table", stores = "table", hash = "string",
  properties_from = "string",
}

local VISIBILITIES = { "private", "shared", "community", "public" }

-- Members of a record that are no properties: Glance would take a property of that name for them.
local MEMBERS = {
  "id", "name", "status", "size", "virtual_size", "checksum", "owner", "visibility", "protected", "tags", "min_disk",
  "min_ram", "disk_format", "container_format", "os_hidden", "os_hash_algo", "os_hash_value", "locations", "direct_url",
  "created_at", "updated_at", "file", "schema", "self", "stores", "location", "deleted", "deleted_at",
}

local function usage(message)
  return nil, errors.new("usage", nil, message)
end

local function check_hash(hash)
  if not hash or lists.has(hashes.ALGORITHMS, hash) then return true end
  return usage(("there is no hash '%s'%s (%s)"):format(hash, nearest.hint(hash, hashes.ALGORITHMS),
    table.concat(hashes.ALGORITHMS, ", ")))
end

local function check_properties(properties)
  for key, value in pairs(properties or {}) do
    if type(key) ~= "string" or type(value) ~= "string" then
      errors.misuse("siphon.copy", "option 'properties': names and values are strings")
    end
    if key == "" then return usage("a property needs a name: --property NAME=VALUE") end
    if lists.has(MEMBERS, key) then
      return usage(("'%s' is no property but a member of every image's record"):format(key))
    end
    if key:find("^os_glance") then
      return usage(("'%s': properties named os_glance... are Glance's own"):format(key))
    end
  end
  return true
end

local function check_list(list, what)
  for _, item in ipairs(list or {}) do
    if type(item) ~= "string" then errors.misuse("siphon.copy", ("option '%s': a list of strings"):format(what)) end
    if item == "" then return usage(("--%s needs a value"):format(what == "tags" and "tag" or "store")) end
  end
  return true
end

--- Checks them: true, or nil and an error of code "usage". Misuse (a list of numbers) raises.
function image_options.check(asked)
  local visibility = asked.visibility
  if visibility and not lists.has(VISIBILITIES, visibility) then
    return usage(("there is no visibility '%s'%s (private, shared, community, public)"):format(visibility,
      nearest.hint(visibility, VISIBILITIES)))
  end
  for _, option in ipairs { "min_disk", "min_ram" } do
    if asked[option] and (asked[option] < 0 or asked[option] > 0x7fffffff) then
      return usage(("--%s has to be from 0 to 2147483647"):format(option:gsub("_", "-")))
    end
  end
  if asked.existing_image and asked.image_id then
    return usage("--image-id is for a new image, --existing-image for one that is there: give one of them")
  end
  local ok, err = check_properties(asked.properties)
  if ok then ok, err = check_hash(asked.hash) end
  if ok then ok, err = check_list(asked.tags, "tags") end
  if ok then ok, err = check_list(asked.stores, "stores") end
  return ok, err
end

--- The first option that is set, for a target that has no record; nil when there is none.
function image_options.first_given(asked)
  for _, option in ipairs(nearest.keys(image_options.TYPES)) do
    if asked[option] ~= nil then return option end
  end
end

return image_options
