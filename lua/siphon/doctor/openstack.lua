--- The cloud: who we are, where Glance is, what it lets us do, which of its stores lies in this cluster.

local errors = require "siphon.errors"
local lists = require "siphon.lists"
local siphon = require "siphon"

local openstack = {}

local SKEW = 60 -- seconds that clocks may differ: tokens and leases bear it

local MONTHS = { Jan = 1, Feb = 2, Mar = 3, Apr = 4, May = 5, Jun = 6, Jul = 7, Aug = 8, Sep = 9, Oct = 10, Nov = 11,
  Dec = 12 }

-- "Wed, 25 Nov 2026 18:30:57 GMT" -> seconds since 1970, or nil
local function http_time(text)
  local day, month, year, hour, minute, second = (text or ""):match "(%d+) (%a+) (%d+) (%d+):(%d+):(%d+) GMT"
  if not (day and MONTHS[month]) then return nil end
  return siphon.keystone.parse_time(("%04d-%02d-%02dT%s:%s:%s.000000Z"):format(year, MONTHS[month], day, hour,
    minute, second))
end

local function check_clock(findings, headers)
  local theirs = http_time(headers and headers.date)
  if not theirs then return end
  local skew = os.time() - theirs
  local size = math.abs(skew)
  if size <= SKEW then return findings:ok("openstack", "clock", ("%d s from Glance's"):format(size)) end
  findings:warn("openstack", "clock", ("%d s %s Glance's"):format(size, skew > 0 and "ahead of" or "behind"),
    "set the clock (chrony): tokens and leases end too early or too late otherwise")
end

local function check_identity(findings, world, cloud)
  if not cloud.keystone then
    return findings:ok("openstack", "identity", "a Glance without Keystone: " .. tostring(cloud:endpoint "image"))
  end
  local roles, err = world.try(cloud.auth.roles, cloud.auth)
  if not roles then
    findings:problem("openstack", "identity", errors.line(err), "try openstack token issue, with the same OS_*", err)
    return false
  end
  table.sort(roles)
  for _, role in ipairs(roles) do world.is_service = world.is_service or role == "service" end
  world.is_service = world.is_service or cloud.service_auth ~= nil
  findings:ok("openstack", "identity", ("%s, roles %s"):format(cloud.name and "cloud " .. cloud.name or cloud.auth.url,
    table.concat(roles, ", ")))
end

local function check_api(findings, world, client)
  local versions, err = world.try(client.versions, client)
  if not versions then
    findings:problem("openstack", "glance", errors.line(err), "see the endpoint, and whether glance-api runs", err)
    return false
  end
  local newest = versions[1] and versions[1].id or "of no version"
  findings:ok("openstack", "glance", ("%s, API %s"):format(client.endpoint, newest))
  local response = world.try(client.call, client, "GET", "/versions", { accept = { 200, 300 } })
  check_clock(findings, response and response.headers)
end

-- The records that this user may list: the cheapest call that asks who it is.
local function check_access(findings, world, client)
  local images, err = world.try(client.list, client, { max = 1 })
  if images then return findings:ok("openstack", "access", "this user may list images") end
  findings:problem("openstack", "access", errors.line(err), "see the user's roles in its project", err)
  return false
end

local function check_location_api(findings, world, client)
  local api, err = world.try(client.location_api, client)
  if not api then return findings:problem("openstack", "locations", errors.line(err), nil, err) end
  if api == "patch" then
    return findings:ok("openstack", "locations", "by PATCH: needs show_multiple_locations = True (--trial tries it)")
  end
  if world.is_service or not world.keystone then
    return findings:ok("openstack", "locations", "by POST, which takes the role service (--trial tries it)")
  end
  findings:warn("openstack", "locations", "by POST, which takes the role service, and this user does not have it",
    "--os-service-cloud NAME vouches for it; else show_multiple_locations = True (by PATCH)")
end

local function describe(store)
  return ("store %s in pool %s"):format(store.id or "(the only one)", store.pool)
end

local function is_writable(world, pool)
  return lists.has(world.writable or {}, pool)
end

-- The pool that the user named, where Glance does not tell its own. Whether it is Glance's, --trial tries.
local function check_named_pool(findings, world, pool)
  local text = ("pool %s, as named (Glance tells its stores' pools only to the roles admin and service)"):format(pool)
  if not world.cluster then return findings:skip("openstack", "store", text .. "; there is no cluster to look into") end
  if is_writable(world, pool) then return findings:ok("openstack", "store", text .. ", open to this user") end
  findings:problem("openstack", "store", text .. ", where this user may not write",
    ("osd 'profile rbd pool=%s' for %s"):format(pool, world.cluster.name))
end

local function check_store(findings, world, client)
  local list, err = world.try(client.stores, client)
  if not list then return findings:problem("openstack", "store", errors.line(err), nil, err) end
  local fsid, told = world.cluster and world.cluster.fsid, false
  local ours, elsewhere = {}, {}
  for _, store in ipairs(list) do
    told = told or store.type ~= nil
    if store.type == "rbd" then
      local here = fsid and (store.fsid == nil or store.fsid == fsid)
      table.insert(here and ours or elsewhere, store)
    end
  end
  if not told and world.options.images_pool then
    return check_named_pool(findings, world, world.options.images_pool)
  end
  if not told then
    return findings:warn("openstack", "store", "Glance tells its stores' pools only to the roles admin and service",
      "name the pool of its images: siphon copy --pool images ...")
  end
  if #ours == 0 then
    local where = #elsewhere > 0 and describe(elsewhere[1]) .. " of another cluster" or "none is RBD"
    return findings:warn("openstack", "store", "no store of Glance's is known to lie in this cluster: " .. where,
      "images can be uploaded all the same (route upload); the bytes pass through this host and glance-api")
  end
  local store = ours[1]
  for _, other in ipairs(ours) do
    if other.default then store = other end
  end
  world.images_pool = store.pool
  local told_cluster = store.fsid and "this cluster" or "a cluster that Glance does not name (checked at registration)"
  if is_writable(world, store.pool) then
    return findings:ok("openstack", "store", ("%s, %s, open to this user"):format(describe(store), told_cluster))
  end
  if not world.cluster then
    return findings:skip("openstack", "store", describe(store) .. "; there is no cluster to compare with")
  end
  findings:problem("openstack", "store", describe(store) .. ", where this user may not write",
    ("osd 'profile rbd pool=%s' for %s"):format(store.pool, world.cluster.name))
end

function openstack.examine(findings, world)
  local options = world.options
  local cloud, err = siphon.clouds.open {
    cloud = options.os_cloud, region_name = options.os_region_name, interface = options.os_interface,
    service_cloud = options.os_service_cloud,
  }
  if not cloud then
    return findings:problem("openstack", "cloud", errors.line(err),
      "set OS_CLOUD (clouds.yaml) or OS_AUTH_URL and the like, as for the openstack command", err)
  end
  world.keystone = cloud.keystone
  if check_identity(findings, world, cloud) == false then return end
  local client
  client, err = world.try(siphon.clouds.connect, cloud)
  if not client then
    return findings:problem("openstack", "glance", errors.line(err), "openstack endpoint list --service image", err)
  end
  if check_api(findings, world, client) == false then return end
  if check_access(findings, world, client) == false then return end
  check_location_api(findings, world, client)
  check_store(findings, world, client)
  world.glance = client
end

return openstack
