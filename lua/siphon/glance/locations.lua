--- The two ways to tell Glance of data that lies in one of its stores already.
--
-- PATCH /v2/images/ID adds to `locations`: synchronous, needs show_multiple_locations = True. POST
-- /v2/images/ID/locations came with API 2.17 (Glance 29 = 2024.2): it answers 202 and goes on as a task, needs the
-- role service (in the token, or in X-Service-Token beside the owner's), and no setting. Read in glance/api/v2/
-- images.py and glance/async_/flows/location_import.py of 2025.1.
--
-- After 202 the data is Glance's, also when the task fails: with a hash that does not match, Glance removes it.

local core = require "siphon.core"
local errors = require "siphon.errors"

local locations = {}

local WAIT_TIMEOUT, WAIT_FIRST, WAIT_MAX, WAIT_GROWTH = 600, 0.2, 5, 1.5 -- seconds
local TASK = "location_import"

-- What says that this Glance, or this user, cannot do it this way: the other way may be open.
local OTHER_WAY = { [403] = true, [404] = true, [405] = true, [501] = true }

local function failed(id, message)
  return errors.new("glance.failed", "glance.import_location", message, { where = { image_id = id } })
end

-- The task that a request has begun; an older Glance does not tell requests apart, there the last one counts.
local function task_of(tasks, request_id)
  local last
  for _, task in ipairs(tasks) do
    if task.type == TASK then
      if request_id and task.request_id == request_id then return task end
      if not last or (task.created_at or "") >= (last.created_at or "") then last = task end
    end
  end
  if last and request_id and last.request_id then return nil end
  return last
end

local methods = {}

--- Registers data by POST (2.17). Returns the id of the request once Glance has taken it up: the image becomes active
-- later, see wait_location.
--- @param id string
--- @param location { url: string, validation_data: table } url: rbd://fsid/pool/image/snapshot; validation_data:
--- os_hash_algo and os_hash_value. A Glance with do_secure_hash reads all of the data, and removes it when the hash is
--- another one.
function methods:import_location(id, location)
  errors.check_options("glance.import_location", location, { url = "string", validation_data = "table" })
  local response, err = self:call("POST", self.image_path("glance.import_location", id, "/locations"), {
    op = "glance.import_location", image_id = id, accept = { 200, 202 },
    json = { url = location.url, validation_data = location.validation_data },
  })
  if not response then return nil, err end
  return response.headers["x-openstack-request-id"] or ""
end

--- The locations of an image by GET (2.17): { { url, metadata }, ... }. It takes the role service or admin.
function methods:locations(id)
  local response, err = self:call("GET", self.image_path("glance.locations", id, "/locations"), {
    op = "glance.locations", image_id = id, expect_json = true,
  })
  if not response then return nil, err end
  return response.json
end

--- Which location API this Glance offers: "post" or "patch".
function methods:location_api()
  if not self.offers then
    local versions, err = self:versions()
    if not versions then return nil, err end
    self.offers = "patch"
    for _, version in ipairs(versions) do
      if version.major == 2 and version.minor >= 17 then self.offers = "post" end
    end
  end
  return self.offers
end

--- Registers data in the way that this Glance and this user have: by POST where Glance offers it, by PATCH where it
-- does not or where it refuses this user. hash, if given: { checksum, os_hash_algo, os_hash_value } of the data. The
-- newer way has no checksum. Returns { api = "post" or "patch", request_id }.
function methods:register_location(id, url, hash)
  local api, err = self:location_api()
  if not api then return nil, err end
  local refused
  if api == "post" then
    local request_id, problem = self:import_location(id, {
      url = url, validation_data = hash and { os_hash_algo = hash.os_hash_algo, os_hash_value = hash.os_hash_value },
    })
    if request_id then return { api = "post", request_id = request_id } end
    if not (problem.http and OTHER_WAY[problem.http.status]) then return nil, problem end
    refused = problem
  end
  -- An empty metadata lets Glance find the store by the location's prefix, and refuse a foreign one.
  local image, problem = self:add_location(id, { url = url, metadata = {}, validation_data = hash })
  if image then return { api = "patch" } end
  if refused then
    return nil, errors.explain(problem, ("neither way to register it is open: by POST %s; by PATCH %s"):format(
      refused.message, problem.message))
  end
  return nil, problem
end

--- Waits until an image that was registered by POST is active; returns its record. Ends early, with an error of code
-- "glance.failed" that has the task's own words, when the task failed.
--- @param options? { request_id: string, timeout: number } 600 seconds
function methods:wait_location(id, options)
  options = errors.check_options("glance.wait_location", options or {}, { request_id = "string", timeout = "number" })
  local request_id = options.request_id ~= "" and options.request_id or nil
  local timeout, began, interval, moved = options.timeout or WAIT_TIMEOUT, core.task.now(), WAIT_FIRST, false
  while true do
    local image, err = self:show(id)
    if not image then return nil, err end
    if image.status == "active" then return image end
    local task = task_of(self:tasks(id) or {}, request_id)
    if task and task.status == "failure" then
      return nil, failed(id, ("Glance could not take the location: %s; check that its own Ceph user may open it, that "
        .. "its pool is that of a store, and that it is not empty"):format(task.message or "no reason given"))
    end
    moved = moved or image.status == "importing"
    if image.status ~= "importing" and (moved or image.status ~= "queued") then
      return nil, failed(id, ("Glance could not take the location: the image is %s"):format(image.status))
    end
    if core.task.now() - began >= timeout then
      return nil, errors.new("timeout", "glance.wait_location", ("the image is still %s after %g seconds"):format(
        image.status, timeout), { where = { image_id = id }, retryable = true })
    end
    core.task.sleep(interval)
    interval = math.min(interval * WAIT_GROWTH, WAIT_MAX)
  end
end

--- Whether a registration whose answer was lost has come through: { api } or nil.
function methods:was_registered(id)
  local image = self:show(id)
  if not image then return nil end
  if image.status == "active" then return { api = "patch" } end
  local task = image.status == "importing" or task_of(self:tasks(id) or {})
  return task and { api = "post", request_id = "" } or nil
end

--- Adds these methods to the client.
function locations.extend(client)
  for name, method in pairs(methods) do client[name] = method end
end

return locations
