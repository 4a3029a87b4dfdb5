--- Glance's staging area and its imports: data that Glance itself moves, as tasks.
--
-- The interoperable image import (api/v2/images.py: import_image): `glance-direct` takes what was staged,
-- `copy-image` copies an active image to further stores, `web-download` fetches a URL. Which ones there are is
-- import_methods' answer. How far it is stands in the image's properties os_glance_importing_to_stores and
-- os_glance_failed_import, and in its tasks.

local core = require "siphon.core"
local errors = require "siphon.errors"

local import = {}

local WAIT_TIMEOUT, WAIT_FIRST, WAIT_MAX, WAIT_GROWTH = 24 * 3600, 0.5, 10, 1.5 -- seconds

local methods = {}

--- The tasks of an image, as Glance lists them: { id, type, status ("pending", "processing", "success", "failure"),
-- message, request_id, ... }. API 2.12 and later.
function methods:tasks(id)
  local response, err = self:call("GET", self.image_path("glance.tasks", id, "/tasks"), {
    op = "glance.tasks", image_id = id, expect_json = true,
  })
  if not response then return nil, err end
  return response.json.tasks or {}
end

--- The names of the import methods that this Glance offers.
function methods:import_methods()
  local response, err = self:call("GET", "/v2/info/import", { op = "glance.import_methods", expect_json = true })
  if not response then return nil, err end
  local answer = response.json["import-methods"]
  return type(answer) == "table" and answer.value or {}
end

--- Puts data into the staging area of a queued image; Client:import with the method glance-direct takes it from there.
--- @param source userdata|string|table as Client:upload takes it
--- @param options? { progress: fun(done: integer, total: integer), stall_timeout: number }
function methods:stage(id, source, options)
  options = errors.check_options("glance.stage", options or {}, { progress = "function", stall_timeout = "number" })
  local response, err = self:call("PUT", self.image_path("glance.stage", id, "/stage"), {
    op = "glance.stage", image_id = id, body = type(source) == "userdata" and { image = source } or source,
    content_type = "application/octet-stream", progress = options.progress, timeout = 0,
    stall_timeout = options.stall_timeout,
  })
  if not response then return nil, err end
  return true
end

--- Begins an import; true once Glance has taken it up, see wait_import.
--- @param options { method: string, stores: string[], all_stores: boolean, all_stores_must_succeed: boolean,
--- uri: string }
function methods:import(id, options)
  errors.check_options("glance.import", options, {
    method = "string", stores = "table", all_stores = "boolean", all_stores_must_succeed = "boolean", uri = "string",
  })
  local response, err = self:call("POST", self.image_path("glance.import", id, "/import"), {
    op = "glance.import", image_id = id, accept = { 202 }, json = {
      method = { name = options.method, uri = options.uri }, stores = options.stores, all_stores = options.all_stores,
      all_stores_must_succeed = options.all_stores_must_succeed,
    },
  })
  if not response then return nil, err end
  return true
end

local function words(text)
  local list = {}
  for word in (text or ""):gmatch("[^,%s]+") do list[#list + 1] = word end
  return list
end

local function has_all(list, wanted)
  local there = {}
  for _, word in ipairs(list) do there[word] = true end
  for _, word in ipairs(wanted) do
    if not there[word] then return false end
  end
  return true
end

-- What the tasks say of a failure.
local function reason_of(client, id)
  for _, task in ipairs(client:tasks(id) or {}) do
    if task.status == "failure" and task.message and task.message ~= "" then return task.message end
  end
  return "glance-api's log has the reason"
end

-- Bytes that the running task has copied: "Copied 15 MiB".
local function copied(client, id)
  for _, task in ipairs(client:tasks(id) or {}) do
    local mebibytes = task.status == "processing" and (task.message or ""):match("Copied (%d+) MiB")
    if mebibytes then return math.tointeger(mebibytes) << 20 end
  end
end

--- Waits until an image is active and lies in all of these stores; returns its record. An error of code
-- "glance.failed" names the stores that Glance could not fill.
--- @param stores string[]
--- @param options? { timeout: number, progress: fun(done: integer, total: integer) } 24 hours
function methods:wait_import(id, stores, options)
  options = errors.check_options("glance.wait_import", options or {}, { timeout = "number", progress = "function" })
  local timeout, began, interval = options.timeout or WAIT_TIMEOUT, core.task.now(), WAIT_FIRST
  while true do
    local image, err = self:show(id)
    if not image then return nil, err end
    if image.status == "active" and has_all(words(image.stores), stores) then return image end
    local lost = words(image.os_glance_failed_import)
    if #lost > 0 and #words(image.os_glance_importing_to_stores) == 0 then
      return nil, errors.new("glance.failed", "glance.import", ("Glance could not copy the image to %s: %s"):format(
        table.concat(lost, ", "), reason_of(self, id)), { where = { image_id = id } })
    end
    if core.task.now() - began >= timeout then
      return nil, errors.new("timeout", "glance.wait_import", ("the image is not in %s after %g seconds"):format(
        table.concat(stores, ", "), timeout), { where = { image_id = id }, retryable = true })
    end
    local done = options.progress and image.size and copied(self, id)
    if done then options.progress(math.min(done, image.size), image.size) end
    core.task.sleep(interval)
    interval = math.min(interval * WAIT_GROWTH, WAIT_MAX)
  end
end

--- Adds these methods to the client.
function import.extend(client)
  for name, method in pairs(methods) do client[name] = method end
end

return import
