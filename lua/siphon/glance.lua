--- Glance's image API v2: a client for one endpoint and one identity.
--
--   local client = assert(siphon.glance.connect { endpoint = "http://127.0.0.1:9292", token = token })
--   local image = assert(client:create { name = "golden", disk_format = "raw", container_format = "bare" })
--   assert(client:upload(image.id, volume))
--
-- Every method returns nil and an error object for what Glance or the network refuses: codes glance.* by
-- status (see siphon.glance.failure), http.* when there was no answer. Image records are plain tables as
-- Glance sends them, without the members that are null.

local core = require "siphon.core"
local errors = require "siphon.errors"
local failure = require "siphon.glance.failure"
local import = require "siphon.glance.import"
local json = require "siphon.json"
local locations = require "siphon.glance.locations"

local glance = {}

local Client = { __name = "siphon.glance.Client" }
Client.__index = Client

local TIMEOUT = 60 -- seconds, for calls that carry no image data
local DELETE_TIMEOUT = 3600 -- Glance removes the RBD image before it answers
local RETRIES, RETRY_WAIT, RETRY_WAIT_MAX = 3, 0.5, 10 -- of calls that only read
local PAGE = 100
local PATCH_TYPE = "application/openstack-images-v2.1-json-patch" -- any other gives 415

-- --- who asks ---------------------------------------------------------------------------------------------

local Static = {}
Static.__index = Static

function Static:token() return self.secret end
function Static:invalidate() return false end -- luacheck: ignore self

--- An identity that never changes. Whatever stands for an identity has these two methods:
--
--   auth:token() -> Secret | nil, or nil, err     the token to send; nil alone sends none
--   auth:invalidate(token) -> boolean             that one was refused: whether another can be had
--- @param token? string|userdata a Secret, or a string that becomes one
function glance.static_auth(token)
  return setmetatable({ secret = token and core.secret(token) }, Static)
end

-- --- making one -------------------------------------------------------------------------------------------

local CONNECT_OPTIONS = {
  endpoint = "string", token = "string userdata", service_token = "string userdata", auth = "table",
  service_auth = "table", ca_file = "string", cert_file = "string", key_file = "string", insecure = "boolean",
  proxy = "string", timeout = "number", connect_timeout = "number", stall_timeout = "number",
}

--- A client. Does not connect yet.
--- @param options table endpoint: Glance's URL as a catalog has it, with or without /v2; token,
--- service_token: sent as X-Auth-Token and X-Service-Token; or auth, service_auth: objects as
--- glance.static_auth describes; ca_file, cert_file, key_file, insecure, proxy, connect_timeout,
--- stall_timeout: as siphon.http.request has them; timeout: seconds for a call that carries no image data, 60
--- @return table client, or nil and an error of code "glance.endpoint"
function glance.connect(options)
  errors.check_options("glance.connect", options, CONNECT_OPTIONS)
  if not options.endpoint then errors.misuse("glance.connect", "option 'endpoint' is missing") end
  local session, err = core.glance.session {
    endpoint = options.endpoint, ca_file = options.ca_file, cert_file = options.cert_file,
    key_file = options.key_file, insecure = options.insecure, proxy = options.proxy,
  }
  if not session then return nil, err end
  return setmetatable({
    session = session, endpoint = session.endpoint, timeout = options.timeout or TIMEOUT,
    connect_timeout = options.connect_timeout, stall_timeout = options.stall_timeout,
    auth = options.auth or glance.static_auth(options.token),
    service_auth = options.service_auth or glance.static_auth(options.service_token),
  }, Client)
end

function Client:__tostring()
  return ("siphon.glance.Client %s"):format(self.endpoint)
end

-- --- the authenticated call -------------------------------------------------------------------------------

local function escape(text)
  return (text:gsub("[^%w%-._~]", function(c) return ("%%%02X"):format(c:byte()) end))
end

local function query_string(query)
  local parts = {}
  for key, value in pairs(query or {}) do
    for _, one in ipairs(type(value) == "table" and value or { value }) do
      parts[#parts + 1] = escape(key) .. "=" .. escape(tostring(one))
    end
  end
  table.sort(parts)
  return #parts > 0 and "?" .. table.concat(parts, "&") or ""
end

local CALL_OPTIONS = {
  headers = "table", query = "table", json = "any", body = "string table", content_type = "string",
  sink = "table",
  accept = "table", expect_json = "boolean", op = "string", image_id = "string", timeout = "number",
  stall_timeout = "number", max_body = "integer", digest = "string", progress = "function",
}

-- The request as session:call wants it, but for the tokens.
local function request_of(self, method, path, options)
  local headers = { Accept = options.sink and "*/*" or "application/json" }
  local body = options.body
  if options.json ~= nil then body = json.encode(options.json) end
  if body then
    headers["Content-Type"] = options.content_type or options.json ~= nil and "application/json"
      or "application/octet-stream"
  end
  for name, value in pairs(options.headers or {}) do headers[name] = value end
  local streams = options.sink or type(body) == "table"
  return {
    method = method, path = path .. query_string(options.query), headers = headers,
    body = body, sink = options.sink,
    timeout = options.timeout or not streams and self.timeout or nil, connect_timeout = self.connect_timeout,
    stall_timeout = options.stall_timeout or self.stall_timeout, max_body = options.max_body,
    digest = options.digest, progress = options.progress,
  }
end

-- Sends it with the tokens of the moment, and once more with new ones when these are refused and no byte of a
-- body that cannot be sent twice is gone.
local function send(self, request)
  for attempt = 1, 2 do
    local err
    request.token, err = self.auth:token()
    if err then return nil, err end
    request.service_token, err = self.service_auth:token()
    if err then return nil, err end
    local response, problem = self.session:call(request)
    if not response then return nil, problem end
    local whole = type(request.body) ~= "table" or response.bytes_sent == 0
    if response.status ~= 401 or attempt == 2 or not whole then return response end
    local renewed = self.auth:invalidate(request.token)
    local renewed_service = self.service_auth:invalidate(request.service_token)
    if not (renewed or renewed_service) then return response end
  end
end

local TRY_AGAIN = { [429] = true, [502] = true, [503] = true, [504] = true }

-- Seconds to wait before a call that only reads is made again; nil when it should not be.
local function retry_after(method, attempt, response, err)
  if (method ~= "GET" and method ~= "HEAD") or attempt > RETRIES then return nil end
  if err and not err:is("http.cut") or response and not TRY_AGAIN[response.status] then return nil end
  local asked = response and tonumber(response.headers["retry-after"])
  return math.min(math.max(asked or 0, RETRY_WAIT * 2 ^ (attempt - 1)), RETRY_WAIT_MAX)
end

local function is_accepted(response, accept)
  if not accept then return response.status >= 200 and response.status < 300 end
  for _, status in ipairs(accept) do
    if response.status == status then return true end
  end
  return false
end

--- Any call of the API, authenticated. A call that only reads (GET, HEAD) and meets a cut connection or 429,
-- 502, 503 or 504 is made again, up to three times; any call once more after 401, with renewed tokens.
--- @param method string
--- @param path string "/v2/...", percent-encoded
--- @param options? table headers, query = {name = value or list of values}, json (any value) or body (as
--- siphon.http.request has it) with content_type, sink, accept = list of statuses that count as success
--- (2xx), expect_json, timeout, stall_timeout, max_body, digest, progress; op and image_id for errors
--- @return table response siphon.http's, and `json`: the body of a JSON answer, decoded, without nulls
function Client:call(method, path, options)
  options = errors.check_options("glance.call", options or {}, CALL_OPTIONS)
  local op, image_id = options.op or "glance.call", options.image_id
  local request = request_of(self, method, path, options)
  local response, err
  for attempt = 1, math.huge do
    response, err = send(self, request)
    local wait = not (response and is_accepted(response, options.accept))
      and retry_after(method, attempt, response, err)
    if not wait then break end
    core.task.sleep(wait)
  end
  if not response then return nil, failure.transport(op, err, image_id) end
  if not is_accepted(response, options.accept) then return nil, failure.of(op, response, image_id) end
  if (response.headers["content-type"] or ""):find("json", 1, true) and response.body then
    response.json = json.decode(response.body, { drop_null = true })
  end
  if options.expect_json and type(response.json) ~= "table" then
    return nil, failure.not_json(op, response, image_id)
  end
  return response
end

-- The path of an image. An empty id would make the call one about all images.
local function image_path(op, id, rest)
  if type(id) ~= "string" or id == "" then errors.misuse(op, "an image id expected, got " .. tostring(id)) end
  return "/v2/images/" .. escape(id) .. (rest or "")
end
Client.image_path = image_path

-- --- discovery --------------------------------------------------------------------------------------------

--- The versions of the API, newest first: { { id = "v2.15", status = "CURRENT", major = 2, minor = 15 }, ...
-- }. 2.17 (2024.2) is the first that takes locations by POST.
function Client:versions()
  local response, err = self:call("GET", "/versions", { op = "glance.versions", accept = { 200, 300 },
    expect_json = true })
  if not response then return nil, err end
  if type(response.json.versions) ~= "table" then
    return nil, failure.not_json("glance.versions", response)
  end
  local versions = {}
  for _, version in ipairs(response.json.versions) do
    local major, minor = tostring(version.id):match("^v(%d+)%.(%d+)$")
    versions[#versions + 1] = {
      id = version.id, status = version.status, major = math.tointeger(major), minor = math.tointeger(minor),
    }
  end
  table.sort(versions, function(a, b)
    local one, other = (a.major or 0) * 1000 + (a.minor or 0), (b.major or 0) * 1000 + (b.minor or 0)
    return one > other
  end)
  return versions
end

-- Glance writes some booleans as strings here.
local function store_of(record)
  local store = { id = record.id, description = record.description }
  store.type, store.weight = record.type, record.weight
  store.default = tostring(record.default) == "true"
  store.read_only = tostring(record["read-only"]) == "true"
  for key, value in pairs(record.properties or {}) do
    if store[key] == nil then store[key] = value end
  end
  return store
end

--- Glance's stores: { id, default, read_only, description }, and where this user may know it (role admin or
-- service; Yoga and later) type, weight and the properties: of an rbd store pool, chunk_size (bytes),
-- thin_provisioning, and since 2025.1 fsid. An empty list: this Glance has one store and does not name it.
function Client:stores()
  local options = { op = "glance.stores", expect_json = true }
  local response, err = self:call("GET", "/v2/info/stores/detail", options)
  if not response and err:is("glance.forbidden", "glance.not_found") then
    response, err = self:call("GET", "/v2/info/stores", options)
    if not response and err:is("glance.not_found") then return {} end
  end
  if not response then return nil, err end
  local stores = {}
  for i, record in ipairs(response.json.stores or {}) do stores[i] = store_of(record) end
  return stores
end

-- --- records ----------------------------------------------------------------------------------------------

local function record(response, err)
  if not response then return nil, err end
  return response.json
end

--- Creates a record, queued. With an `id` chosen by the caller a repeated call is refused as glance.conflict,
-- so that an answer that got lost can be made up for.
--- @param fields table name, disk_format, container_format, id, visibility, protected, min_disk, min_ram,
--- tags, os_hidden, owner; any other field is a property, whose value is a string
function Client:create(fields)
  return record(self:call("POST", "/v2/images", {
    op = "glance.create", json = fields, image_id = fields.id, accept = { 201 }, expect_json = true,
  }))
end

--- The record of that id.
function Client:show(id)
  return record(self:call("GET", image_path("glance.show", id), {
    op = "glance.show", image_id = id, expect_json = true,
  }))
end

--- All records that this project sees and that match, page by page.
--- @param filters? table name, status, visibility, owner, tag (a list: all of them), sort =
--- "created_at:desc", and any other that Glance knows; max: how many at most
--- @return table[] images
function Client:list(filters)
  local query = { limit = PAGE }
  for key, value in pairs(filters or {}) do query[key] = value end
  local max = query.max or math.huge
  query.max = nil
  local images, path = {}, "/v2/images" .. query_string(query)
  while path and #images < max do
    local response, err = self:call("GET", path, { op = "glance.list", expect_json = true })
    if not response then return nil, err end
    local page, next_path = response.json.images, response.json.next
    if type(page) ~= "table" then return nil, failure.not_json("glance.list", response) end
    for _, image in ipairs(page) do
      if #images < max then images[#images + 1] = image end
    end
    -- A next page that is no path here, or that follows an empty one, would lead nowhere or round in circles.
    path = #page > 0 and type(next_path) == "string" and next_path:match("^/v2/images%?.*$") or nil
  end
  return images
end

--- Changes a record by JSON patch (RFC 6902, the operations add, replace, remove): { { op = "replace", path =
-- "/name", value = "x" }, ... }. Returns the record as it is then.
function Client:update(id, patch)
  return record(self:call("PATCH", image_path("glance.update", id), {
    op = "glance.update", image_id = id, content_type = PATCH_TYPE, expect_json = true,
    json = json.array(table.move(patch, 1, #patch, 1, {})),
  }))
end

--- Deletes the image and its data. Glance answers when the RBD image is gone, which can take minutes.
function Client:delete(id)
  local response, err = self:call("DELETE", image_path("glance.delete", id), {
    op = "glance.delete", image_id = id, timeout = DELETE_TIMEOUT, stall_timeout = DELETE_TIMEOUT,
  })
  if not response then return nil, err end
  return true
end

-- --- data -------------------------------------------------------------------------------------------------

-- An image, or a table as siphon.http takes it.
local function body_of(what)
  return type(what) == "userdata" and { image = what } or what
end

--- Uploads the data of a queued image through Glance; returns true once it is active (glance-api computes its
-- hashes on the way). Nothing is sent twice: after a failure Glance puts the image back to queued.
--- @param id string
--- @param source userdata|string|table an Image, read as its handle sees it; the bytes; or what
--- siphon.http.request takes as body: {file =}, {image =, offset =, length =}
--- @param options? { store: string, digest: string, progress: fun(done: integer, total: integer), stall_timeout:
--- number }
--- @return boolean true; and with `digest` ("sha256" or "sha512") the hashes of what was sent, see image:digest
function Client:upload(id, source, options)
  options = errors.check_options("glance.upload", options or {}, {
    store = "string", digest = "string", progress = "function", stall_timeout = "number",
  })
  local response, err = self:call("PUT", image_path("glance.upload", id, "/file"), {
    op = "glance.upload", image_id = id, body = body_of(source), content_type = "application/octet-stream",
    headers = { ["X-Image-Meta-Store"] = options.store }, progress = options.progress,
    digest = options.digest, timeout = 0, stall_timeout = options.stall_timeout,
  })
  if not response then return nil, err end
  return true, response.digest
end

--- Downloads the data of an image. An image that has none is an error of code "glance.no_data".
--- @param id string
--- @param sink? userdata|table an Image open for writing; {file =} or {image =, offset =}; nil: to memory
--- @param options? { progress: fun(done: integer, total: integer), max_body: integer, stall_timeout: number }
--- @return string|integer the bytes, or, with a sink, how many there were
function Client:download(id, sink, options)
  options = errors.check_options("glance.download", options or {}, {
    progress = "function", max_body = "integer", stall_timeout = "number",
  })
  local response, err = self:call("GET", image_path("glance.download", id, "/file"), {
    op = "glance.download", image_id = id, sink = body_of(sink), max_body = options.max_body,
    headers = { Accept = "*/*" }, accept = { 200, 204 }, progress = options.progress,
    timeout = 0, stall_timeout = options.stall_timeout,
  })
  if not response then return nil, err end
  if response.status == 204 then
    return nil, errors.new("glance.no_data", "glance.download", "the image has no data", {
      where = { image_id = id },
      http = { status = 204, request_id = response.headers["x-openstack-request-id"] },
    })
  end
  return sink and response.bytes_received or response.body
end

--- Registers data that lies in one of Glance's stores already (PATCH; show_multiple_locations = True): the
-- image is active when this returns. From then on the data is Glance's. Returns the record.
--- @param id string
--- @param location { url: string, metadata: table, validation_data: table } url:
--- rbd://fsid/pool/image/snapshot; metadata: left empty, Glance finds the store by the url, and refuses one
--- that is not its own; validation_data: os_hash_algo, os_hash_value, checksum, which Glance keeps unchecked
function Client:add_location(id, location)
  errors.check_options("glance.add_location", location, {
    url = "string", metadata = "table", validation_data = "table",
  })
  return record(self:call("PATCH", image_path("glance.add_location", id), {
    op = "glance.add_location", image_id = id, content_type = PATCH_TYPE, expect_json = true,
    json = { { op = "add", path = "/locations/-", value = {
      url = location.url, metadata = location.metadata or {}, validation_data = location.validation_data,
    } } },
  }))
end

-- --- waiting ----------------------------------------------------------------------------------------------

local WAIT_TIMEOUT, WAIT_FIRST, WAIT_MAX, WAIT_GROWTH = 600, 0.2, 5, 1.5 -- seconds

-- From these no image comes back by itself.
local FINAL = { killed = true, deleted = true, pending_delete = true, deactivated = true }

local function failed(id, message)
  return errors.new("glance.failed", "glance.wait", message, { where = { image_id = id } })
end

--- Waits until the image has a status, looking again at growing intervals (0.2 to 5 seconds). Ends early,
-- with an error of code "glance.failed", when the image is killed, deleted or deactivated, or falls back to
-- queued, which is how Glance shows that taking the data failed; with glance.not_found when it is gone; with
-- "timeout" when it takes longer.
--- @param id string
--- @param options? { status: string, timeout: number } "active", 600 seconds
--- @return table image
function Client:wait(id, options)
  options = errors.check_options("glance.wait", options or {}, { status = "string", timeout = "number" })
  local wanted, timeout = options.status or "active", options.timeout or WAIT_TIMEOUT
  local deadline, interval, moved = core.task.now() + timeout, WAIT_FIRST, false
  while true do
    local image, err = self:show(id)
    if not image then return nil, err end
    if image.status == wanted then return image end
    if FINAL[image.status] then
      return nil, failed(id, ("the image is %s, not %s"):format(image.status, wanted))
    end
    if image.status == "queued" and moved then
      return nil, failed(id, "the image went back to queued: Glance could not take its data")
    end
    moved = moved or image.status ~= "queued"
    local left = deadline - core.task.now()
    if left <= 0 then
      return nil, errors.new("timeout", "glance.wait", ("the image is still %s, not %s, after %g seconds")
        :format(image.status, wanted, timeout), { where = { image_id = id }, retryable = true })
    end
    core.task.sleep(math.min(interval, left))
    interval = math.min(interval * WAIT_GROWTH, WAIT_MAX)
  end
end

import.extend(Client)
locations.extend(Client)

return glance
