--- clouds.yaml and its companions: which files there are, and what they say of a cloud.
--
-- As openstacksdk reads them (openstack/config/loader.py): of each kind the first file found counts, in the current
-- directory, ~/.config/openstack, /etc/openstack, with the suffixes .yaml, .yml, .json in this order;
-- OS_CLIENT_CONFIG_FILE and OS_CLIENT_SECURE_FILE go first. secure.yaml is laid over clouds.yaml. A `profile` is
-- looked up in clouds-public.yaml; those that openstacksdk brings along are not known here.

local errors = require "siphon.errors"
local lyaml = require "lyaml"
local nearest = require "siphon.nearest"

local files = {}

local SUFFIXES = { ".yaml", ".yml", ".json" }

local function failure(message)
  return nil, errors.new("clouds.config", "clouds.read", message)
end

local function directories(env)
  local home = env.HOME
  local config = env.XDG_CONFIG_HOME or home and home .. "/.config"
  local list = { "." }
  if config then list[#list + 1] = config .. "/openstack" end
  list[#list + 1] = "/etc/openstack"
  return list
end

-- The text of a file; nil when it cannot be opened (missing, not ours to read: the next one counts then).
local function read(path)
  local file <close> = io.open(path, "rb")
  return file and file:read("a")
end

-- Numbers stay text: a password of digits keeps its zeroes.
local function scalar(value)
  if value == "" or value == "~" or value:lower() == "null" then return lyaml.null end
  return value
end

local function without_nulls(value)
  if type(value) ~= "table" then return value end
  local copy = {}
  for key, item in pairs(value) do
    if item ~= lyaml.null then copy[key] = without_nulls(item) end
  end
  return copy
end

-- YAML 1.2 holds JSON, so one parser reads both. Its complaint names a place, never the text there.
local function parse(path, text)
  local ok, data = pcall(lyaml.load, text, { implicit_scalar = scalar })
  if not ok then
    local place = tostring(data):match("(%d+:%d+:.*)$") or "not YAML"
    return failure(("%s: %s"):format(path, place))
  end
  if data == nil or data == lyaml.null then return {} end
  if type(data) ~= "table" then return failure(("%s: a table of clouds expected"):format(path)) end
  return without_nulls(data)
end

-- The first file of a kind: its data and its path, or {} and nil.
local function load(env, name, override)
  local paths = {}
  if override then paths[1] = override end
  for _, directory in ipairs(directories(env)) do
    for _, suffix in ipairs(SUFFIXES) do paths[#paths + 1] = directory .. "/" .. name .. suffix end
  end
  for _, path in ipairs(paths) do
    local text = read(path)
    if text then
      local data, err = parse(path, text)
      if not data then return nil, err end
      return data, path
    end
  end
  return {}
end

local function copy(value)
  if type(value) ~= "table" then return value end
  local result = {}
  for key, item in pairs(value) do result[key] = copy(item) end
  return result
end

-- A new table: `over` laid on `under`, tables with named fields member by member.
local function merge(under, over)
  if type(under) ~= "table" or type(over) ~= "table" or over[1] ~= nil then return copy(over) end
  local result = copy(under)
  for key, value in pairs(over) do result[key] = merge(under[key], value) end
  return result
end

-- A member that has to be a table, or nil and an error that says so.
local function member(data, key, path)
  local value = data[key]
  if value == nil then return {} end
  if type(value) ~= "table" then return failure(("%s: '%s' is no table"):format(path, key)) end
  return value
end

--- The clouds of the files: { name = table }, and the path of clouds.yaml or nil when there is none; or nil and an
-- error of code "clouds.config".
function files.clouds(env)
  local public, path = load(env, "clouds", env.OS_CLIENT_CONFIG_FILE)
  if not public then return nil, path end
  local secure, secure_path = load(env, "secure", env.OS_CLIENT_SECURE_FILE)
  if not secure then return nil, secure_path end
  local list, err = member(public, "clouds", path)
  if not list then return nil, err end
  local over, problem = member(secure, "clouds", secure_path)
  if not over then return nil, problem end
  list = merge(list, over)
  for name, cloud in pairs(list) do
    if type(cloud) ~= "table" or cloud.auth ~= nil and type(cloud.auth) ~= "table" then
      return failure(("%s: the cloud '%s' is no table, or its 'auth' is none"):format(path or secure_path, name))
    end
  end
  return list, path or secure_path
end

--- A cloud with its profile below it.
function files.with_profile(env, name, cloud)
  local profile = cloud.profile or cloud.cloud
  if not profile then return cloud end
  local data, path = load(env, "clouds-public")
  if not data then return nil, path end
  local known = type(data["public-clouds"]) == "table" and data["public-clouds"] or {}
  if type(known[profile]) == "table" then return merge(known[profile], cloud) end
  if cloud.auth and cloud.auth.auth_url then return cloud end
  return failure(("the cloud '%s' has the profile '%s', which no clouds-public.yaml describes%s: write its auth_url "
    .. "into the cloud"):format(name, tostring(profile), nearest.hint(profile, nearest.keys(known))))
end

return files
