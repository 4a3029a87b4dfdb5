--- Who we are to OpenStack and where its services are: from clouds.yaml and the environment, as the openstack
-- command reads them (see siphon.clouds.settings for which of these counts).
--
--   local cloud = assert(siphon.clouds.open { cloud = "prod" })
--   local client = assert(siphon.clouds.connect(cloud))
--
-- A program that has an identity already hands it over, as a table with what would stand in clouds.yaml:
--
--   siphon.clouds.open { cloud = { auth_type = "admin_token", auth = { endpoint = url, token = token } } }
--
-- auth_type is, after keystoneauth's loaders:
--   password, v3password        a user and a password; the default
--   v3applicationcredential     an application credential, with the scope it was made for
--   token, v3token              a token that Keystone exchanges for one with the scope
--   none                        no Keystone: `endpoint` is Glance; a token, if given, is sent along
--   admin_token                 `endpoint` and a token, sent as it is
--
-- The image service may ask for an identity that vouches for another one (the X-Service-Token). It is the cloud
-- that `service_cloud` or SIPHON_SERVICE_CLOUD names; left out, it is the user's own when that has the role service.

local errors = require "siphon.errors"
local glance = require "siphon.glance"
local keystone = require "siphon.keystone"
local settings = require "siphon.clouds.settings"

local clouds = {}

local Cloud = { __name = "siphon.Cloud" }
Cloud.__index = Cloud

local function failure(message, fields)
  return nil, errors.new("clouds.config", "clouds.read", message, fields)
end

-- --- who asks
-- ----------------------------------------------------------------------------------------------------

local KINDS = {
  none = "none", admin_token = "admin_token", token_endpoint = "admin_token",
  password = "password", v3password = "password",
  token = "token", v3token = "token",
  v3applicationcredential = "application_credential",
}

local PROJECT = { "project_id", "project_name" }
local DOMAIN = { "domain_id", "domain_name" }

-- The scopes that are given: at most one can be asked for.
local function scopes(auth)
  local given = {}
  for _, keys in ipairs { PROJECT, DOMAIN, { "trust_id" }, { "system_scope" } } do
    for _, key in ipairs(keys) do
      if auth[key] then
        given[#given + 1] = key
        break
      end
    end
  end
  return given
end

local function missing(flat, keys, hint)
  local names = {}
  for i, key in ipairs(keys) do names[i] = settings.called(flat, key) end
  return failure(("auth_type %s needs %s%s"):format(flat.auth_type, table.concat(names, " or "), hint or ""))
end

-- What may have been meant by settings that another auth_type reads.
local function other_type(flat)
  local auth, guess = flat.auth, nil
  if auth.application_credential_secret then
    guess = "v3applicationcredential"
  elseif auth.token and auth.auth_url then
    guess = "v3token"
  elseif auth.endpoint or flat.image_endpoint_override then
    guess = auth.token and "admin_token" or "none"
  end
  if not guess then return nil end
  return ("; for what is given, %s should be %s"):format(settings.called(flat, "auth_type"), guess)
end

local REQUIRED = {
  password = { { "auth_url" }, { "username", "user_id" }, { "password" } },
  token = { { "auth_url" }, { "token" } },
  application_credential = { { "auth_url" }, { "application_credential_id", "application_credential_name" },
    { "application_credential_secret" } },
  admin_token = { { "token" } },
  none = {},
}

local function check_auth(flat, kind)
  local auth = flat.auth
  for _, keys in ipairs(REQUIRED[kind]) do
    if not (auth[keys[1]] or keys[2] and auth[keys[2]]) then return missing(flat, keys, other_type(flat)) end
  end
  if kind == "none" or kind == "admin_token" then
    if flat.image_endpoint_override or auth.endpoint then return true end
    return missing(flat, { "endpoint" }, ": Glance's URL")
  end
  if kind == "application_credential" then
    if auth.application_credential_id or auth.username or auth.user_id then return true end
    return missing(flat, { "username", "user_id" }, ", since the credential is given by its name")
  end
  local given = scopes(auth)
  if #given > 1 then
    return failure(("a token has one scope: of %s and %s only one can be given"):format(
      settings.called(flat, given[1]), settings.called(flat, given[2])))
  end
  if auth.system_scope and auth.system_scope ~= "all" then
    return failure(settings.called(flat, "system_scope") .. " can only be 'all'")
  end
  return true
end

-- As oslo's strutils.bool_from_string reads it.
local function is_true(value)
  local text = tostring(value):lower()
  return text == "1" or text == "t" or text == "true" or text == "on" or text == "y" or text == "yes"
end

local function path_of(path, env)
  return path and (path:gsub("^~/", (env.HOME or "~") .. "/"))
end

local function trust_of(flat, env)
  local insecure = flat.insecure ~= nil and is_true(flat.insecure)
  if flat.verify ~= nil and not is_true(flat.verify) then insecure = true end
  return {
    ca_file = path_of(flat.cacert, env), cert_file = path_of(flat.cert, env), key_file = path_of(flat.key, env),
    insecure = insecure,
  }
end

local IDENTITY = {
  "auth_url", "user_id", "username", "user_domain_id", "user_domain_name", "password", "token",
  "application_credential_id", "application_credential_name", "application_credential_secret",
  "project_id", "project_name", "project_domain_id", "project_domain_name", "domain_id", "domain_name",
  "system_scope", "trust_id",
}

local function identity_of(flat, kind, trust)
  if kind == "none" or kind == "admin_token" then return glance.static_auth(flat.auth.token) end
  local options = { kind = kind }
  for _, key in ipairs(IDENTITY) do options[key] = flat.auth[key] end
  for key, value in pairs(trust) do options[key] = value end
  return keystone.identity(options)
end

-- --- a cloud
-- ----------------------------------------------------------------------------------------------------

local function make(options, env)
  local flat, err = settings.read(options, env)
  if not flat then return nil, err end
  flat.auth_type = flat.auth_type or "password"
  local kind = KINDS[flat.auth_type]
  if not kind then
    return failure(("%s: '%s' is not supported, but for: password, v3applicationcredential, v3token, admin_token, none")
      :format(settings.called(flat, "auth_type"), flat.auth_type))
  end
  local ok, problem = check_auth(flat, kind)
  if not ok then return nil, problem end
  local trust = trust_of(flat, env)
  local self = setmetatable(trust, Cloud)
  self.name, self.settings, self.keystone = flat.name, flat, kind ~= "none" and kind ~= "admin_token"
  self.auth = identity_of(flat, kind, {
    ca_file = trust.ca_file, cert_file = trust.cert_file, key_file = trust.key_file, insecure = trust.insecure,
  })
  self.timeout = tonumber(flat.api_timeout)
  for key in pairs(flat.auth) do -- the identity has them, as Secrets where they are
    if key ~= "endpoint" then flat.auth[key] = nil end
  end
  return self
end

local OPEN_OPTIONS = {
  cloud = "string table", region_name = "string", interface = "string", service_cloud = "string table",
  getenv = "function",
}

--- The cloud that is meant. Reads files and the environment; asks nobody yet.
--- @param options? table cloud: its name in clouds.yaml (default: OS_CLOUD, or OS_*), or a table with what would stand
--- there, its password and token as text or Secrets; region_name, interface: instead of the cloud's; service_cloud: the
--- cloud of the identity that vouches, a name or a table too; getenv: os.getenv
--- @return table cloud, or nil and an error of code "clouds.config" that names what is missing
function clouds.open(options)
  options = errors.check_options("clouds.open", options or {}, OPEN_OPTIONS)
  local getenv = options.getenv or os.getenv
  local env = setmetatable({}, { __index = function(_, name)
    local value = getenv(name)
    return value ~= "" and value or nil -- set but empty counts as unset, as everywhere in OpenStack
  end })
  local self, err = make(options, env)
  if not self then return nil, err end
  local service = options.service_cloud or env.SIPHON_SERVICE_CLOUD
  if service then
    local other, problem = make({ cloud = service, region_name = options.region_name }, env)
    if not other then return nil, problem end
    self.service_auth = other.auth
  end
  return self
end

local function list_of(interface)
  if interface == nil then return nil end
  if type(interface) == "table" then return interface end
  local list = {}
  for name in tostring(interface):gmatch("[^,%s]+") do list[#list + 1] = name end
  return list
end

--- Where a service is ("image"): its URL, or nil and an error. What the cloud says itself goes before the catalog.
function Cloud:endpoint(service)
  local flat, prefix = self.settings, service:gsub("-", "_")
  local override = flat[prefix .. "_endpoint_override"]
  if override then return override end
  if self.keystone then
    return self.auth:endpoint {
      service = service, interfaces = list_of(flat[prefix .. "_interface"] or flat.interface),
      region = flat[prefix .. "_region_name"] or flat.region_name,
    }
  end
  if service == "image" then return flat.auth.endpoint end
  return failure(("no endpoint of the service '%s' is known: there is no catalog without Keystone"):format(service))
end

-- The role service vouches for itself: whoever has it sends its token as both.
local function service_auth(cloud)
  if cloud.service_auth or not cloud.keystone then return cloud.service_auth end
  local roles, err = cloud.auth:roles()
  if not roles then return nil, err end
  for _, role in ipairs(roles) do
    if role == "service" then return cloud.auth end
  end
end

local CONNECT_OPTIONS = { timeout = "number", connect_timeout = "number", stall_timeout = "number" }

--- The Glance of a cloud.
--- @param cloud? table as clouds.open gives it; left out, it is opened
--- @param options? table timeout, connect_timeout, stall_timeout as siphon.glance.connect has them
--- @return table client, or nil and an error
function clouds.connect(cloud, options)
  options = errors.check_options("clouds.connect", options or {}, CONNECT_OPTIONS)
  local err
  if not cloud then
    cloud, err = clouds.open()
    if not cloud then return nil, err end
  end
  local endpoint, service
  endpoint, err = cloud:endpoint("image")
  if not endpoint then return nil, err end
  service, err = service_auth(cloud)
  if err then return nil, err end
  local client
  client, err = glance.connect {
    endpoint = endpoint, auth = cloud.auth, service_auth = service,
    ca_file = cloud.ca_file, cert_file = cloud.cert_file, key_file = cloud.key_file, insecure = cloud.insecure,
    timeout = options.timeout or cloud.timeout, connect_timeout = options.connect_timeout,
    stall_timeout = options.stall_timeout,
  }
  if not client then
    local from = cloud.keystone and "the catalog" or settings.called(cloud.settings, "endpoint")
    return failure(("the endpoint of Glance (%s): %s"):format(from, err.message), { cause = err })
  end
  return client
end

return clouds
