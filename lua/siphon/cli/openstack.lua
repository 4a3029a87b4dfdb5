--- The options about OpenStack that `copy` and `plan` share: which cloud, and what the Glance image shall be.

local errors = require "siphon.errors"

local openstack = {}

-- Options that give the cloud itself, where the name of one would be: see siphon.clouds.open.
local function give(arguments, option, value)
  local cloud = arguments.os_cloud or { auth_type = "none", auth = {} }
  if type(cloud) == "string" then
    errors.raise("usage", nil, ("--os-cloud names a cloud, and --%s gives one: only one of them can count")
      :format(option:gsub("_", "-")))
  end
  if option == "os_cacert" then cloud.cacert = value else cloud.auth[option:sub(4)] = value end
  if option == "os_token" then cloud.auth_type = "admin_token" end
  arguments.os_cloud = cloud
end

local function name_one(arguments, option, value)
  if type(arguments.os_cloud) == "table" then give({ os_cloud = value }, "os_endpoint") end
  arguments[option] = value
end

local function check_given(arguments)
  local cloud = arguments.os_cloud
  if type(cloud) == "table" and not cloud.auth.endpoint then
    errors.raise("usage", nil, ("--%s goes with --os-endpoint: Glance's URL"):format(
      cloud.auth.token and "os-token" or "os-cacert"))
  end
end

--- Which cloud, in the words of the `openstack` command. OS_* and clouds.yaml count too.
function openstack.cloud(parser)
  parser:action(check_given)
  parser:group("OpenStack, as the openstack command has it",
    parser:option("--os-cloud", "Cloud of clouds.yaml (default: OS_CLOUD, or OS_*)."):argname "NAME":action(name_one),
    parser:option("--os-endpoint", "Glance's URL, and no cloud: without Keystone, or with --os-token."):argname "URL"
      :action(give),
    parser:option("--os-token", "A token for it, which others on this host can see here (OS_TOKEN they cannot).")
      :argname "TOKEN":action(give),
    parser:option("--os-cacert", "Certificates to trust, for --os-endpoint."):argname "FILE":action(give),
    parser:option("--os-region-name", "Region, instead of the cloud's."):argname "REGION",
    parser:option("--os-interface", "Interface of the endpoints: public, internal or admin."):argname "KIND",
    parser:option("--os-service-cloud", "Cloud of the identity with the role service that vouches for this one.")
      :argname "NAME")
end

local function whole(text)
  return math.tointeger(tonumber(text)), ("'%s' is not a whole number"):format(text)
end

--- What the Glance image shall be.
function openstack.image(parser)
  parser:group("The Glance image",
    parser:option("--existing-image", "The record is there, and queued: give it the data."):argname "UUID",
    parser:option("--property", "Property of the image; may be repeated."):argname "NAME=VALUE":count "*",
    parser:option("--properties-from", "Cinder volume whose image properties it gets too."):argname "UUID",
    parser:option("--tag", "Tag of the image; may be repeated."):argname "TAG":count "*",
    parser:option("--visibility", "private, shared, community or public (default: Glance's)."):argname "WHO",
    parser:flag("--protected", "Protect the image from being deleted."),
    parser:flag("--hidden", "Leave the image out of listings."),
    parser:option("--owner", "Id of the project that shall own it (admins only)."):argname "PROJECT",
    parser:option("--min-disk", "Smallest disk for it, in GiB (default: the volume's size)."):argname "GIB"
      :convert(whole),
    parser:option("--min-ram", "Smallest memory for it, in MiB."):argname "MIB":convert(whole),
    parser:option("--store", "Store of Glance it shall be in; may be repeated."):argname "ID":count "*",
    parser:option("--container-format", "Container of the data (default: bare)."):argname "FORMAT")
end

local function properties_of(list)
  if #list == 0 then return nil end
  local properties = {}
  for _, text in ipairs(list) do
    local key, value = text:match("^([^=]*)=(.*)$")
    if not key then
      errors.raise("usage", nil, ("--property '%s' has no value: write NAME=VALUE"):format(text))
    end
    properties[key] = value
  end
  return properties
end

local function given(list)
  return #list > 0 and list or nil
end

--- The fields of siphon.copy's options that these are, added to `request`.
function openstack.request(arguments, request)
  for _, name in ipairs { "os_cloud", "os_region_name", "os_interface", "os_service_cloud", "existing_image",
    "visibility", "protected", "hidden", "owner", "min_disk", "min_ram", "container_format", "properties_from" } do
    request[name] = arguments[name]
  end
  request.properties = properties_of(arguments.property)
  request.tags, request.stores = given(arguments.tag), given(arguments.store)
  if not request.target and not request.existing_image then
    errors.raise("usage", nil, "missing argument 'target': glance:NAME, or POOL/[NAMESPACE/]IMAGE; none is needed with "
      .. "--existing-image")
  end
  return request
end

return openstack
