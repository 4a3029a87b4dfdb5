--- What Glance's refusals mean and what to do about them: from a status to an error object.
--
-- The statuses are those of Glance's api/v2 (images.py, image_data.py, image_members.py, policy.py) as of Zed
-- and 2025.1; texts are matched only to choose between pieces of advice, never to choose a code.

local errors = require "siphon.errors"
local json = require "siphon.json"

local failure = {}

local CODES = {
  [400] = "glance.bad_request",
  [401] = "glance.unauthorized",
  [403] = "glance.forbidden",
  [404] = "glance.not_found",
  [409] = "glance.conflict",
  [410] = "glance.gone",
  [413] = "glance.too_large",
  [415] = "glance.unsupported",
  [429] = "glance.server",
}

-- In general; { text in Glance's answer, advice } pairs where it depends, the last one for any text.
local ADVICE = {
  [400] = "what was sent is not what this Glance takes",
  [401] = "the token is missing, wrong or expired: a new one is needed (openstack token issue, OS_TOKEN)",
  [403] = "Glance's policy does not allow it to this user's role and project",
  [404] = "it was deleted, or this project does not see it",
  [409] = "the image is in another state than this needs: see `openstack image show`",
  [410] = "the image was deleted meanwhile",
  [413] = "a quota or a limit is reached: make room, or have it raised",
  [415] = "Glance takes no data of this kind here",
  [429] = "Glance, or a proxy before it, limits the number of requests",
  [502] = "the proxy before Glance got no answer from it: it may work later",
  [503] = "Glance, or its store, is out of order: it may work later",
  [504] = "the proxy before Glance got no answer in time: it may work later",
}

local SPECIAL = {
  ["glance.create"] = {
    [403] = "only some roles may set an owner, visibility=public or protected properties",
    [409] = "an image of that id exists already: choose another id",
    [413] = "too many images, properties or tags for this project's quota",
  },
  ["glance.update"] = {
    [403] = "the property is read-only or protected, or the image is another project's",
    [413] = "too many properties or tags for this project's quota",
  },
  ["glance.upload"] = {
    [400] = "disk_format and container_format must be set, and the store be one of `GET /v2/info/stores`",
    [409] = "data can be uploaded only while the image is queued",
    [413] = "the store is full, or image_size_cap or user_storage_quota (glance-api.conf) is reached",
    [415] = "the data does not look like the record's disk_format (see require_image_format_match)",
    [503] = "the store refuses to be written to",
  },
  ["glance.add_location"] = {
    [400] = {
      { "already exists", "the image has this location" },
      { "must be set", "the record needs disk_format and container_format first" },
      { "", "check that image and snapshot exist and are not empty, that the location begins with the fsid "
        .. "and the pool of one of Glance's stores, and that Glance's own Ceph user may open it" },
    },
    [403] = {
      { "invisible", "set show_multiple_locations = True in glance-api.conf, or take the route upload" },
      { "", "Glance's policy set_image_location does not allow it to this user, or the image is another "
        .. "project's; the route upload needs no such right" },
    },
    [409] = {
      { "os_hash_algo", "--hash has to be what this Glance keeps (hashing_algorithm in glance-api.conf)" },
      { "", "a location can be added only while the image is queued or active" },
    },
    [413] = "image_location_quota, user_storage_quota or image_size_cap (glance-api.conf) is reached",
    [500] = "Glance's own Ceph user may lack the right to write to that pool, or the image is larger than "
      .. "image_size_cap; glance-api's log has the reason",
  },
  ["glance.import_location"] = {
    [400] = "check the location's form, and that the hash is one of sha1, sha256, sha512, md5 in full length",
    [403] = "the new location API takes the role service: in this user's token, or in that of the cloud named by "
      .. "--os-service-cloud; Glance's policy add_image_location has to allow it, too",
    [404] = "the image was deleted, this project does not see it, or this Glance has no such call (before 2024.2)",
    [409] = "a location can be added only while the image is queued and no other import is under way",
    [413] = "image_location_quota or user_storage_quota (glance-api.conf) is reached",
  },
  ["glance.locations"] = {
    [403] = "it takes the role service or admin",
    [404] = "the image was deleted, this project does not see it, or this Glance has no such call (before 2024.2)",
  },
  ["glance.stage"] = {
    [409] = "data can be staged only while the image is queued",
    [413] = "image_stage_total (Keystone's limits) or image_size_cap (glance-api.conf) is reached, or the staging "
      .. "area is full",
    [503] = "the staging area refuses to be written to",
  },
  ["glance.import"] = {
    [400] = "the import method has to be one of `GET /v2/info/import`, the stores of `GET /v2/info/stores`, and the "
      .. "image not be there already",
    [403] = "copying to further stores takes what Glance's policy copy_image asks for (by default the role admin)",
    [409] = "the image is in a state that this method does not take, another import is under way, or a store is "
      .. "not known",
    [413] = "image_size_total or image_stage_total (Keystone's limits) is reached",
  },
  ["glance.delete"] = {
    [403] = "the image is protected, or another project's",
    [409] = "its RBD image has clones, or snapshots of somebody else's, or is open: flatten, remove or close "
      .. "these first",
    [500] = "its RBD image may have clones in a pool that Glance's own Ceph user cannot read; glance-api's log "
      .. "has the reason",
  },
  ["glance.stores"] = {
    [403] = "it takes the role admin or service",
  },
}

local ENTITIES = { lt = "<", gt = ">", amp = "&", quot = '"', apos = "'", nbsp = " " }

local function plain(text)
  text = text:gsub("<[^>]*>", " ")
  text = text:gsub("&#x(%x+);", function(hex)
    local code = tonumber(hex, 16)
    return code and code < 0x110000 and utf8.char(code) or ""
  end)
  text = text:gsub("&(%a+);", ENTITIES):gsub("[%s%c]+", " "):gsub("^ ", ""):gsub(" $", "")
  -- After what is wrong the schema validator shows the schema; of that only the field's name is of use.
  text = text:gsub(" Failed validating .* On instance%['(.-)'%].*", " (%1)"):gsub(" Failed validating .*", "")
  return #text > 300 and text:sub(1, 300) .. "..." or text
end

--- Glance's own words in an answer that refuses: from JSON or from HTML, in one line.
--- @param response table as siphon.http gives it
--- @return string may be empty
function failure.words(response)
  local body = response.body or ""
  local answer = (response.headers["content-type"] or ""):find("json", 1, true) and json.decode(body)
  if type(answer) == "table" then
    local inner = type(answer.error) == "table" and answer.error or answer -- Keystone's middleware nests it
    body = type(inner.message) == "string" and inner.message or ""
  else
    body = body:match("<body>(.*)</body>") or body
    body = body:gsub("<h1>.-</h1>", "")
  end
  return plain(body)
end

-- Without what may be secret in it.
local function shown(url)
  return (url:gsub("[?#].*", ""):gsub("//[^/]*@", "//"))
end

local function advice_for(op, status, words)
  local advice = SPECIAL[op] and SPECIAL[op][status] or ADVICE[status]
  if type(advice) ~= "table" then return advice end
  for _, pair in ipairs(advice) do
    if words:find(pair[1], 1, true) then return pair[2] end
  end
end

--- The error object for an answer that is not what was hoped for: code by status, Glance's words, advice,
-- where.url and where.image_id, http.status and http.request_id. Statuses of 500 and more, and 429, are
-- retryable.
--- @param op string "glance.create"
--- @param response table
--- @param image_id? string
--- @return table err
function failure.of(op, response, image_id)
  local status = response.status
  local words = failure.words(response)
  local advice = advice_for(op, status, words)
  local request_id = response.headers["x-openstack-request-id"]
  if not advice and status >= 500 then
    advice = "glance-api's log may say more" .. (request_id and " under " .. request_id or "")
  end
  local said = words ~= "" and " " .. words or ""
  local message = ("%d%s%s"):format(status, said, advice and "; " .. advice or "")
  return errors.new(CODES[status] or status >= 500 and "glance.server" or "glance.unexpected", op, message, {
    where = { url = shown(response.url), image_id = image_id },
    http = { status = status, request_id = request_id },
    retryable = status >= 500 or status == 429,
  })
end

--- The error object for an answer that should have been JSON.
function failure.not_json(op, response, image_id)
  local start = plain((response.body or ""):sub(1, 80))
  return errors.new("glance.not_json", op,
    ("the answer is not Glance's (it begins with '%s'): is the endpoint right, or is a proxy in between?")
    :format(start), {
      where = { url = shown(response.url), image_id = image_id },
      http = { status = response.status, request_id = response.headers["x-openstack-request-id"] },
    })
end

--- Adds what the HTTP layer cannot know to an error of its own: which call it was, and about which image. That no
-- token could be had stays what it is.
function failure.transport(op, err, image_id)
  if tostring(err.op):find("^keystone%.") then return err end
  err.op = op
  err.where.image_id = image_id
  return err
end

return failure
