--- The Glance record of a copy: what it says, and what becomes of one that was there before.
--
-- A new record is created with everything that was asked for, but for `protected`, which comes last: a protected image
-- could not be deleted by an undo. A record that is there already (queued, as Cinder makes it before it asks for the
-- data) is changed only where that was asked for or where it is empty; its undo puts back what was changed, and
-- never deletes it.

local cinder = require "siphon.cinder"
local errors = require "siphon.errors"
local json = require "siphon.json"
local nearest = require "siphon.nearest"
local replay = require "siphon.replay"

local record = {}

-- Members that are there in every record, if only as null: they can be replaced, never removed.
local MEMBERS = {
  name = true, visibility = true, min_disk = true, min_ram = true, os_hidden = true, owner = true, tags = true,
  disk_format = true, container_format = true,
}

--- Codes of errors which prove that a call had no effect: Glance refused it, it never got there, or there was no token
-- for it.
record.REFUSED = {
  "http.connect",
  "glance.bad_request", "glance.unauthorized", "glance.forbidden", "glance.not_found", "glance.conflict",
  "glance.too_large", "keystone.unauthorized", "keystone.forbidden", "keystone.project", "keystone.server",
  "keystone.not_found", "keystone.not_json",
}

local function conflict(id, text)
  return nil, errors.new("glance.conflict", "glance.show", text, { where = { image_id = id } })
end

-- --- one that is there
-- ----------------------------------------------------------------------------------------------

--- The record that --existing-image names, or nil and an error when no data can be given to it.
function record.find(client, request)
  local id = request.existing_image
  local image, err = client:show(id)
  if not image then
    if not err:is("glance.not_found") then return nil, err end
    return nil, errors.explain(err, ("there is no Glance image %s, or this project does not see it"):format(id))
  end
  if request.resumed then return image end -- how far it came is what the job looks at
  if image.status ~= "queued" or #(image.locations or {}) > 0 then
    return conflict(id, ("the Glance image %s is %s: only one that is queued can be given data"):format(id,
      image.status))
  end
  if request.target_named and image.name ~= request.target.name then
    return conflict(id, ("the Glance image %s is named '%s', not '%s': leave the target out, or name it so"):format(id,
      tostring(image.name), request.target.name))
  end
  return image
end

--- Completes a request by what the record that is there says of its format.
function record.complete(request, existing)
  request.disk_format = request.disk_format or existing.disk_format or "raw"
  request.container_format = request.container_format or existing.container_format or "bare"
end

--- The properties that the record shall get: those asked for, over those of the Cinder volume that
-- --properties-from names; or nil and an error.
function record.inherit(connections, request)
  local properties = {}
  if request.properties_from then
    local cloud, err = connections:cloud()
    if not cloud then return nil, err end
    local volume, problem = cinder.volume(cloud, request.properties_from)
    if not volume then
      return nil, errors.explain(problem, ("the volume %s of --properties-from: %s"):format(request.properties_from,
        problem.message))
    end
    properties = cinder.image_properties(volume)
  end
  for name, value in pairs(request.properties or {}) do properties[name] = value end
  return properties
end

--- GiB: what was asked for, else what a record that is there says, else the size of the source, rounded up.
function record.min_disk(request, existing, size)
  local least = existing and existing.min_disk or 0
  return request.min_disk or least > 0 and least or math.ceil(size / 2 ^ 30)
end

-- --- what it says
-- ---------------------------------------------------------------------------------------------------

-- The record's members and properties as they shall be.
local function fields_of(target, facts)
  local request, fields = target.request, {}
  for key, value in pairs(target.properties) do fields[key] = value end
  fields.disk_format, fields.container_format = request.disk_format, request.container_format
  fields.min_disk = facts.image.min_disk
  fields.visibility, fields.owner, fields.min_ram = request.visibility, request.owner, request.min_ram
  fields.os_hidden = request.hidden
  fields.tags = request.tags and json.array(table.move(request.tags, 1, #request.tags, 1, {}))
  return fields
end

local function same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  local left, right = { table.unpack(a) }, { table.unpack(b) }
  table.sort(left)
  table.sort(right)
  return table.concat(left, "\0") == table.concat(right, "\0")
end

-- RFC 6901
local function pointer(key)
  return "/" .. key:gsub("~", "~0"):gsub("/", "~1")
end

-- The JSON patch that makes the record say `fields`, and the one that takes it back. A replacement without a value is
-- one by null.
local function patches(image, fields)
  local there, back = {}, {}
  for _, key in ipairs(nearest.keys(fields)) do
    local old, new, path = image[key], fields[key], pointer(key)
    if not same(old, new) then
      local replaces = old ~= nil or MEMBERS[key]
      there[#there + 1] = { op = replaces and "replace" or "add", path = path, value = new }
      back[#back + 1] = { op = replaces and "replace" or "remove", path = path, value = old }
    end
  end
  return there, back
end

--- Creates the record, queued, with the id chosen here: should the answer get lost, it can still be found. Or changes
-- the one that is there.
function record.prepare(target, job)
  local id, fields = target.image_id, fields_of(target, job.facts)
  if not target.existing then
    fields.id, fields.name = id, target.name
    job:step("glance.create", {
      detail = ("Glance record %s"):format(id),
      undo = { "delete_glance_image", { image_id = id } },
      untouched = record.REFUSED,
      again = true,
      found = function() return target.client:show(id) and true or nil end,
      act = function() return target.client:create(fields) end,
    })
    return
  end
  local there, back = patches(target.existing, fields)
  if #there == 0 then return replay.pass(job, "glance.update") end
  job:step("glance.update", {
    detail = ("Glance record %s changed"):format(id),
    undo = { "restore_glance_image", { image_id = id, patch = back } },
    untouched = record.REFUSED,
    again = true,
    act = function() return target.client:update(id, there) end,
  })
end

--- The text of that step for `siphon plan`.
function record.text(target)
  if target.existing then
    return ("take the Glance record %s, named '%s', which is there"):format(target.image_id, tostring(target.name))
  end
  return ("create the Glance record %s, named '%s'"):format(target.image_id, target.name)
end

--- The undo of giving it data.
function record.undo(target)
  local name = target.existing and "give_back_glance_image" or "delete_glance_image"
  return { name, { image_id = target.image_id } }
end

-- --- what follows
-- ---------------------------------------------------------------------------------------------------

local function words(text)
  local list = {}
  for word in (text or ""):gmatch("[^,%s]+") do list[word] = true end
  return list
end

-- The stores that were asked for and that the image does not lie in yet.
local function other_stores(target)
  local image = assert(target.client:show(target.image_id))
  local there, others = words(image.stores), {}
  for _, id in ipairs(target.request.stores) do
    if not there[id] then others[#others + 1] = id end
  end
  if #others == #target.request.stores then
    errors.raise("verify.store", "glance.import", ("the image lies in the store %s, which is none of those asked for "
      .. "(%s)"):format(image.stores or "?", table.concat(others, ", ")), { where = { image_id = target.image_id } })
  end
  return others
end

local function copy_to_stores(target, job)
  local others = other_stores(target)
  if #others == 0 then return end
  local list = table.concat(others, ", ")
  job:step("glance.stores", { detail = "copied by Glance to " .. list, again = true, act = function()
    assert(target.client:import(target.image_id, {
      method = "copy-image", stores = others, all_stores_must_succeed = true,
    }))
    local meter = job:meter("glance.stores", "Glance copying")
    assert(target.client:wait_import(target.image_id, others, { progress = meter }))
  end })
end

--- What comes once the image is active: further stores, and its protection.
function record.finish(target, job)
  if target.request.stores then copy_to_stores(target, job) end
  if not target.request.protected then return end
  job:step("glance.protect", {
    detail = "image protected",
    undo = { "unprotect_glance_image", { image_id = target.image_id } },
    again = true,
    act = function()
      return target.client:update(target.image_id, { { op = "replace", path = "/protected", value = true } })
    end,
  })
end

--- The texts of these steps for `siphon plan`.
function record.later(request)
  local texts = {}
  if request.stores and #request.stores > 1 then
    texts[1] = ("let Glance copy it, so that it is in %s"):format(table.concat(request.stores, ", "))
  end
  if request.protected then texts[#texts + 1] = "protect the image" end
  return texts
end

return record
