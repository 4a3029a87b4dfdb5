--- Which cloud is meant, and its settings as one flat table, whether they come from clouds.yaml or from OS_*.
--
-- openstacksdk's precedence: a cloud that is named (by the caller, or by OS_CLOUD) is taken from clouds.yaml as it
-- stands there, and OS_* do not mix into it, but for OS_REGION_NAME, which the openstack command lets choose among
-- its regions. Without a name, OS_* are a cloud of their own (called "envvars", or as OS_CLOUD_NAME says); without
-- these, the only cloud of clouds.yaml is meant. A caller may also give the cloud itself, as a table with what would
-- stand in clouds.yaml; then neither that nor OS_* count.

local errors = require "siphon.errors"
local files = require "siphon.clouds.files"
local nearest = require "siphon.nearest"

local settings = {}

local function failure(message)
  return nil, errors.new("clouds.config", "clouds.read", message)
end

-- What may stand under `auth`, with the older names that still mean it; the first that is set counts.
local AUTH = {
  auth_url = { "auth_url" },
  endpoint = { "endpoint", "url" },
  token = { "token", "auth_token" },
  username = { "username", "user_name" }, user_id = { "user_id" }, password = { "password" },
  user_domain_id = { "user_domain_id" }, user_domain_name = { "user_domain_name" },
  project_id = { "project_id", "tenant_id" }, project_name = { "project_name", "tenant_name" },
  project_domain_id = { "project_domain_id" }, project_domain_name = { "project_domain_name" },
  domain_id = { "domain_id" }, domain_name = { "domain_name" },
  default_domain_id = { "default_domain_id", "default_domain" }, default_domain_name = { "default_domain_name" },
  system_scope = { "system_scope" }, trust_id = { "trust_id" },
  application_credential_id = { "application_credential_id" },
  application_credential_name = { "application_credential_name" },
  application_credential_secret = { "application_credential_secret" },
}

-- These may be Secrets where a program gives them.
local SECRETS = { token = true, password = true, application_credential_secret = true }

local OTHER = {
  auth_type = { "auth_type", "auth_plugin" },
  interface = { "interface", "endpoint_type" },
  image_interface = { "image_interface", "image_endpoint_type" },
  region_name = { "region_name" }, image_region_name = { "image_region_name" },
  image_endpoint_override = { "image_endpoint_override", "image_endpoint" },
  block_storage_interface = { "block_storage_interface", "volume_interface" },
  block_storage_region_name = { "block_storage_region_name", "volume_region_name" },
  block_storage_endpoint_override = { "block_storage_endpoint_override", "volume_endpoint_override" },
  cacert = { "cacert" }, cert = { "cert" }, key = { "key" }, insecure = { "insecure" }, verify = { "verify" },
  api_timeout = { "api_timeout" },
}

-- Variables that describe a cloud; the others (OS_REGION_NAME, OS_CACERT, ...) only qualify one.
local DESCRIBING = {
  "OS_AUTH_TYPE", "OS_AUTH_PLUGIN", "OS_AUTH_URL", "OS_ENDPOINT", "OS_URL", "OS_IMAGE_ENDPOINT_OVERRIDE", "OS_TOKEN",
  "OS_AUTH_TOKEN", "OS_USERNAME", "OS_USER_ID", "OS_PASSWORD", "OS_APPLICATION_CREDENTIAL_ID",
  "OS_APPLICATION_CREDENTIAL_NAME", "OS_APPLICATION_CREDENTIAL_SECRET",
}

local function first(table_, names)
  for _, name in ipairs(names) do
    local value = table_[name]
    if value == nil then value = table_[name:gsub("_", "-")] end
    if value ~= nil and value ~= "" then return value end
  end
end

local function from_environment(env)
  local function variables(known)
    local values = {}
    for key, names in pairs(known) do
      local upper = {}
      for i, name in ipairs(names) do upper[i] = "OS_" .. name:upper() end
      values[key] = first(env, upper)
    end
    return values
  end
  local flat = variables(OTHER)
  flat.auth = variables(AUTH)
  flat.name, flat.from = env.OS_CLOUD_NAME or "envvars", "environment"
  return flat
end

local function has_cloud(env)
  for _, name in ipairs(DESCRIBING) do
    if env[name] then return true end
  end
  return false
end

-- Settings of a cloud that clouds.yaml describes; what belongs under `auth` may stand beside it as well.
local function from_file(cloud, name, path)
  local flat = { auth = {}, name = name, from = path, regions = cloud.regions }
  for key, names in pairs(OTHER) do flat[key] = first(cloud, names) end
  for key, names in pairs(AUTH) do
    local value = cloud.auth and first(cloud.auth, names)
    if value == nil then value = first(cloud, names) end
    flat.auth[key] = value
  end
  return flat
end

--- How a setting is called where it came from: "OS_PASSWORD", or "password of the cloud 'prod' (clouds.yaml)".
function settings.called(flat, key)
  if flat.from == "environment" then return "OS_" .. key:upper() end
  if flat.from == "caller" then return ("'%s' of the cloud that is given"):format(key) end
  return ("'%s' of the cloud '%s' (%s)"):format(key, flat.name, flat.from)
end

-- --- which region
-- --------------------------------------------------------------------------------------------------

-- The regions that a cloud lists: { { name, values }, ... }
local function regions_of(flat)
  local list = {}
  local given = flat.regions or flat.region_name
  if type(given) == "string" then
    for name in given:gmatch("[^,%s]+") do list[#list + 1] = { name = name } end
    return list
  end
  for _, region in ipairs(type(given) == "table" and given or {}) do
    list[#list + 1] = type(region) == "table" and region or { name = region }
  end
  return list
end

-- Chooses the region and lays its own values over the cloud's.
local function choose_region(flat, wanted)
  local regions = flat.from == "environment" and {} or regions_of(flat)
  wanted = wanted or flat.from == "environment" and flat.region_name or nil
  local chosen = regions[1]
  if wanted then
    local names = {}
    chosen = #regions == 0 and { name = wanted } or nil
    for i, region in ipairs(regions) do
      names[i] = region.name
      if region.name == wanted then chosen = region end
    end
    if not chosen then
      return failure(("the cloud '%s' (%s) has no region '%s'%s (regions: %s)"):format(flat.name, flat.from, wanted,
        nearest.hint(wanted, names), table.concat(names, ", ")))
    end
  end
  flat.region_name = chosen and chosen.name
  local values = chosen and type(chosen.values) == "table" and chosen.values or {}
  for key, names in pairs(OTHER) do
    local value = first(values, names)
    if value ~= nil and key ~= "region_name" then flat[key] = value end
  end
  for key, names in pairs(AUTH) do
    local value = type(values.auth) == "table" and first(values.auth, names)
    if value then flat.auth[key] = value end
  end
  return flat
end

-- --- which cloud
-- ---------------------------------------------------------------------------------------------------

local NONE = "no cloud is named: set OS_CLOUD or --os-cloud to one of clouds.yaml, or OS_AUTH_URL and what goes with "
  .. "it; OS_AUTH_TYPE=none and OS_ENDPOINT=http://host:9292 name a Glance without Keystone"

local function given(cloud)
  if cloud.auth ~= nil and type(cloud.auth) ~= "table" then
    return failure "'auth' of the cloud that is given is no table"
  end
  return from_file(cloud, "given", "caller")
end

local function pick(env, name, list, path)
  name = name or env.OS_CLOUD
  local own = env.OS_CLOUD_NAME or "envvars"
  if name == own and has_cloud(env) or not name and has_cloud(env) then return from_environment(env) end
  local names = nearest.keys(list)
  if not name and #names == 1 then name = names[1] end
  if not name and #names == 0 then return failure(NONE) end
  if not name then
    return failure(("%s has several clouds: choose one with OS_CLOUD or --os-cloud (%s)"):format(path,
      table.concat(names, ", ")))
  end
  if not list[name] then
    local where = path or "there is no clouds.yaml in ., ~/.config/openstack or /etc/openstack, and it"
    return failure(("%s has no cloud '%s'%s"):format(where, name, nearest.choices(name, names)))
  end
  local cloud, err = files.with_profile(env, name, list[name])
  if not cloud then return nil, err end
  return from_file(cloud, name, path)
end

-- domain_id and domain_name of a cloud with a project are those of its user and its project, where these have none
-- of their own.
local function spread_domains(auth)
  local scoped = auth.project_id or auth.project_name
  for _, kind in ipairs { "user", "project" } do
    local id, name = kind .. "_domain_id", kind .. "_domain_name"
    if not (auth[id] or auth[name]) then
      if scoped and (auth.domain_id or auth.domain_name) then
        auth[id], auth[name] = auth.domain_id, auth.domain_name
      else
        auth[id], auth[name] = auth.default_domain_id, auth.default_domain_name
      end
    end
  end
  if scoped then auth.domain_id, auth.domain_name = nil, nil end
  auth.default_domain_id, auth.default_domain_name = nil, nil
end

local function find(cloud, env)
  if type(cloud) == "table" then return given(cloud) end
  local list, path = {}, nil
  if cloud or env.OS_CLOUD or not has_cloud(env) then
    list, path = files.clouds(env)
    if not list then return nil, path end
  end
  return pick(env, cloud, list, path)
end

--- The settings of the cloud that is meant: a flat table with the keys of OTHER, `auth` with those of AUTH, `name`,
-- and `from` ("environment", "caller", or the path of the file); or nil and an error of code "clouds.config".
--- @param options table cloud (a name, or a table), region_name, interface: what the caller asked for
--- @param env table the environment; a variable that is set to nothing counts as unset
function settings.read(options, env)
  local flat, err = find(options.cloud, env)
  if not flat then return nil, err end
  flat, err = choose_region(flat, options.region_name or flat.from ~= "caller" and env.OS_REGION_NAME or nil)
  if not flat then return nil, err end
  if options.interface then flat.interface, flat.image_interface = options.interface, nil end
  for key, value in pairs(flat.auth) do
    if type(value) ~= "string" and not (type(value) == "userdata" and SECRETS[key]) then
      return failure(("%s is no text"):format(settings.called(flat, key)))
    end
  end
  if flat.auth.auth_url then
    flat.auth.auth_url = flat.auth.auth_url:gsub("{([%w_]+)}", { region_name = flat.region_name })
  end
  spread_domains(flat.auth)
  return flat
end

return settings
