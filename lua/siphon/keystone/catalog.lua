--- The service catalog of a token: from a kind of service, an interface and a region to a URL.

local errors = require "siphon.errors"
local nearest = require "siphon.nearest"

local catalog = {}

-- Other names of the same service, official one first (the service-types authority of OpenStack).
local TYPES = {
  ["block-storage"] = { "block-storage", "volumev3", "volumev2", "volume", "block-store" },
}

-- Clients of old wrote "publicURL".
local function plain(interface)
  return (interface:gsub("URL$", ""))
end

local function is_of(entry, service)
  for _, name in ipairs(TYPES[service] or { service }) do
    if entry.type == name then return true end
  end
  return false
end

local function region_of(endpoint)
  return endpoint.region_id or endpoint.region
end

-- The distinct values of a field over a list, sorted.
local function distinct(list, field)
  local seen = {}
  for _, item in ipairs(list) do
    local value = field(item)
    if value then seen[value] = true end
  end
  return nearest.keys(seen)
end

local function failure(message, url)
  return nil, errors.new("keystone.catalog", "keystone.catalog", message, { where = { url = url } })
end

local function endpoints_of(entries, service)
  local list, found = {}, false
  for _, entry in ipairs(entries) do
    if is_of(entry, service) then
      found = true
      for _, endpoint in ipairs(entry.endpoints or {}) do list[#list + 1] = endpoint end
    end
  end
  return list, found
end

local function within(list, region)
  if not region then return list end
  local there = {}
  for _, endpoint in ipairs(list) do
    if region_of(endpoint) == region then there[#there + 1] = endpoint end
  end
  return there
end

--- The URL of a service. entries: the catalog as Keystone gives it. options: service, interfaces = list in order
-- of preference (default: public), region. `url`: of the Keystone, for errors.
function catalog.find(entries, options, url)
  local service, region = options.service, options.region
  local list, found = endpoints_of(entries, service)
  if not found or #list == 0 then
    local types = distinct(entries, function(entry) return entry.type end)
    local there = #types > 0 and table.concat(types, ", ") or "nothing"
    return failure(("the catalog has no service of the type '%s', only: %s; name its URL "
      .. "(OS_%s_ENDPOINT_OVERRIDE), or have it registered"):format(service, there,
      service:upper():gsub("-", "_")), url)
  end
  local there = within(list, region)
  if #there == 0 then
    local regions = distinct(list, region_of)
    return failure(("the catalog has no service of the type '%s' in the region '%s'%s (regions: %s)"):format(
      service, region, nearest.hint(region, regions), table.concat(regions, ", ")), url)
  end
  local interfaces = options.interfaces or { "public" }
  for _, interface in ipairs(interfaces) do
    for _, endpoint in ipairs(there) do
      if endpoint.interface == plain(interface) and endpoint.url then return endpoint.url end
    end
  end
  return failure(("the service '%s' has no interface '%s'%s (interfaces: %s)"):format(service,
    table.concat(interfaces, "', '"), region and (" in the region '%s'"):format(region) or "",
    table.concat(distinct(there, function(endpoint) return endpoint.interface end), ", ")), url)
end

return catalog
