--- The inverses of a job's steps: named functions on plain data, so that they can be run from a record, by
-- another process, at a later time.
--
-- Each is idempotent: what is gone already counts as undone. None touches what it cannot tell to be the
-- job's: ids are compared where the step could learn one, and the names that a job makes up are its own.
-- Returns true; or "kept" and a reason when the thing is somebody else's by now; or nil and an error, and
-- then it may be tried again.
--
-- A job that is taken up again may go back a few steps and do them anew. An action whose `rewind` is false cannot be
-- made undone for that; one that has a function there is undone by it instead.

local core = require "siphon.core"
local errors = require "siphon.errors"
local json = require "siphon.json"
local mgr = require "siphon.mgr"
local protection = require "siphon.protection"
local renaming = require "siphon.renaming"
local source = require "siphon.source"

local undo = {}

local ENOENT = 2

-- A handle that is being closed goes in a moment; the watcher of a dead client stays for 30 seconds.
local BUSY_TRIES, BUSY_FIRST, BUSY_MAX = 26, 0.05, 2

-- Calls fn until it no longer fails because somebody has the image open.
local function retry_busy(fn)
  local ok, err
  for try = 1, BUSY_TRIES do
    ok, err = fn()
    if ok or not err:is("EBUSY") then break end
    if try < BUSY_TRIES then core.task.sleep(math.min(BUSY_FIRST * 2 ^ (try - 1), BUSY_MAX)) end
  end
  return ok, err
end

-- Removes an image that others may have open still.
local function remove_image(pool, name)
  local ok, err = retry_busy(function() return core.rbd.remove(pool, name) end)
  if not ok and err:is "EBUSY" then
    err = errors.explain(err, err.message .. ", as a rule: see docs/operations.md for one that is not")
  end
  return ok, err
end

-- nil, err -> true when the error only says that there is nothing left to do.
local function gone(ok, err, ...)
  if ok or err:is("ENOENT", ...) then return true end
  return nil, err
end

local function pool_of(data, connections)
  return connections:pool(data.fsid, data.pool, data.namespace)
end

local function image_text(data)
  local namespace = data.namespace and data.namespace ~= "" and data.namespace .. "/" or ""
  return ("%s/%s%s"):format(data.pool, namespace, data.image)
end

local function snapshot_text(data)
  return ("%s@%s"):format(image_text(data), data.snapshot)
end

-- Calls fn(image, record) with the snapshot that the data speak of, or when there is none absent(image, list, data).
-- The image is looked up by its id where that is known (it may have been renamed, or moved to the trash).
local function with_snapshot(data, connections, absent, fn)
  local pool, err = pool_of(data, connections)
  if not pool then return gone(nil, err) end
  local image <close>, problem = core.rbd.open(pool, data.image_id and { id = data.image_id } or data.image,
    { read_only = false })
  if not image then return gone(nil, problem) end
  local list, failure = image:snapshots()
  if not list then return nil, failure end
  local record = source.find_snapshot(list, data.snapshot)
  if not record then return absent(image, list, data) end
  if data.snapshot_id and record.id ~= data.snapshot_id then
    return "kept", "it is another snapshot of the same name"
  end
  return fn(image, record)
end

local actions = {}

-- librbd moves a snapshot to the trash namespace before it removes it: one whose removal was cut off is found there,
-- by its id alone.
local function remove_from_trash(image, list, data)
  for _, record in ipairs(list) do
    if record.id == data.snapshot_id and record.namespace == "trash" then
      return gone(retry_busy(function() return image:snapshot_remove_by_id(record.id) end))
    end
  end
  return true
end

actions.remove_snapshot = {
  thing = function(data) return "snapshot " .. snapshot_text(data) end, done = "removed",
  run = function(data, connections)
    return with_snapshot(data, connections, remove_from_trash, function(image, record)
      if record.protected then
        local ok, err = retry_busy(function() return image:snapshot_unprotect(record.name) end)
        if not ok and not err:is("EINVAL") then return gone(nil, err) end
      end
      return gone(retry_busy(function() return image:snapshot_remove(record.name) end))
    end)
  end,
}

actions.unprotect_snapshot = {
  thing = function(data) return "protection of " .. snapshot_text(data) end, done = "no longer needed",
  run = function(data, connections)
    local pool = pool_of(data, connections)
    local function is_gone() return true end
    local result, why = with_snapshot(data, connections, is_gone, function(image)
      local ok, err = protection.give_back(pool, image, data)
      if not ok and err:is("EBUSY") then return "kept", "it has a clone by now" end
      return gone(ok, err)
    end)
    if result and pool then protection.let_go(pool, data) end -- also of a snapshot that is gone, or was replaced
    return result, why
  end,
}

actions.remove_image = {
  thing = function(data) return "image " .. image_text(data) end, done = "removed",
  run = function(data, connections)
    local pool, err = pool_of(data, connections)
    if not pool then return gone(nil, err) end
    local image, problem = core.rbd.open(pool, data.image)
    if image then
      local id = image.id
      image:close()
      if data.image_id and id ~= data.image_id then return "kept", "it is another image of the same name" end
    elseif not problem:is("ENOENT") then
      return nil, problem
    end
    -- Also when it cannot be opened: a half-made or half-removed image still has a name.
    return gone(remove_image(pool, data.image))
  end,
}

actions.rename_image = {
  thing = function(data) return "name of the image " .. image_text(data) end, done = "taken back",
  run = function(data, connections)
    local pool, err = pool_of(data, connections)
    if not pool then return gone(nil, err) end
    renaming.mend(pool, data.image_id, data.image, data.former)
    local image, problem = core.rbd.open(pool, data.image)
    if not image then return gone(nil, problem) end
    local id = image.id
    image:close()
    if id ~= data.image_id then return true end
    return core.rbd.rename(pool, data.image, data.former)
  end,
}

-- librbd gives the head of a deep copy its object map last. Until then the map says that there is nothing, and who
-- removes the image leaves all of its data behind, as `rbd rm` does after a `rbd deep cp` that was cut off (tried with
-- 16.2). The maps of its snapshots are right from the beginning, so the head is made what the last of them is.
local function put_head_right(image, snapshots)
  for i = #snapshots, 1, -1 do
    if snapshots[i].namespace == "user" then
      return retry_busy(function() return image:snapshot_rollback(snapshots[i].name) end)
    end
  end
  return true
end

local function remove_snapshots(image)
  local snapshots, err = image:snapshots()
  if not snapshots then return nil, err end
  local right, failure = put_head_right(image, snapshots)
  if not right then return nil, failure end
  for _, snapshot in ipairs(snapshots) do
    if snapshot.protected then image:snapshot_unprotect(snapshot.name) end
    local removed, problem = image:snapshot_remove(snapshot.name)
    if not removed and not problem:is "ENOENT" then return nil, problem end
  end
  return true
end

-- Only for an image whose name the job made up: its snapshots came along with a deep copy.
actions.remove_image_and_snapshots = {
  thing = function(data) return "image " .. image_text(data) end, done = "removed",
  run = function(data, connections)
    local pool, err = pool_of(data, connections)
    if not pool then return gone(nil, err) end
    local image <close> = core.rbd.open(pool, data.image, { read_only = false })
    if image then
      local removed, problem = remove_snapshots(image)
      if not removed then return nil, problem end
      image:close()
    end
    return gone(remove_image(pool, data.image))
  end,
}

actions.cancel_mgr_task = {
  thing = function(data) return ("ceph-mgr's task on %s"):format(image_text(data)) end, done = "cancelled",
  run = function(data, connections)
    local cluster, err = connections:cluster(data.fsid)
    if not cluster then return nil, err end
    return mgr.cancel(cluster, data)
  end,
}

local RESTART_TRIES, RESTART_WAIT = 20, 2 -- a Glance that died is back within half a minute, as a rule

local AWAY = { [502] = true, [503] = true, [504] = true } -- what stands before it says so

local function is_away(err)
  return err:is("http.connect", "http.cut") or err.http ~= nil and AWAY[err.http.status] or false
end

-- One that died over an upload may answer 500 for as long as the lock that it held on the RBD image lives.
local function is_disturbed(err) return is_away(err) or err:is "glance.server" end

-- Calls fn until Glance answers it.
local function when_back(is_missing, fn, ...)
  local ok, err
  for try = 1, RESTART_TRIES do
    ok, err = fn(...)
    if ok or not is_missing(err) then break end
    if try < RESTART_TRIES then core.task.sleep(RESTART_WAIT) end
  end
  return ok, err
end

local function delete_image(data, connections)
  local client, err = connections:glance()
  if not client then return nil, err end
  local deleted, problem = client:delete(data.image_id)
  if deleted or problem:is("glance.not_found", "glance.gone") then return true end
  return nil, problem
end

actions.delete_glance_image = {
  thing = function(data) return "Glance image " .. data.image_id end, done = "deleted",
  rewind = false, -- Glance takes an id once
  run = function(data, connections) return when_back(is_away, delete_image, data, connections) end,
}

-- A record that was there before is never deleted: what was changed in it is put back, by a patch whose replacements
-- without a value are by null.
actions.restore_glance_image = {
  thing = function(data) return "record of the Glance image " .. data.image_id end, done = "put back",
  run = function(data, connections)
    local client, err = connections:glance()
    if not client then return nil, err end
    local patch = {}
    for i, change in ipairs(data.patch) do
      local value = change.value
      if value == nil and change.op == "replace" then value = json.null end
      patch[i] = { op = change.op, path = change.path, value = value }
    end
    local restored, problem = client:update(data.image_id, patch)
    if restored or problem:is("glance.not_found", "glance.gone") then return true end
    return nil, problem
  end,
}

local QUEUED_WAIT, QUEUED_LOOK = 120, 0.5 -- seconds; Glance gives up an upload as soon as the connection is cut

-- Whether the record is without data and may be given some; it is waited for while Glance cleans up after an upload.
local function is_queued(data, connections)
  local client, err = connections:glance()
  if not client then return nil, err end
  local deadline = core.task.now() + QUEUED_WAIT
  while true do
    local image, problem = client:show(data.image_id)
    if not image then return nil, problem end
    if image.status == "queued" then return true end
    if image.status ~= "saving" or core.task.now() > deadline then
      return nil, errors.new("glance.conflict", "undo.is_queued", ("the Glance image is %s, not queued"):format(
        image.status), { where = { image_id = data.image_id } })
    end
    core.task.sleep(QUEUED_LOOK)
  end
end

-- Glance takes no data back: a record that has some stays, and so does the RBD image.
actions.give_back_glance_image = {
  thing = function(data) return "data of the Glance image " .. data.image_id end, done = "not taken",
  rewind = is_queued,
  run = function(data, connections)
    local client, err = connections:glance()
    if not client then return nil, err end
    local image, problem = client:show(data.image_id)
    if not image then
      if problem:is("glance.not_found", "glance.gone") then return true end
      return nil, problem
    end
    for _, task in ipairs(image.status == "queued" and client:tasks(data.image_id) or {}) do
      if task.status == "pending" or task.status == "processing" then
        return "kept", "Glance is still taking its data up"
      end
    end
    if image.status == "queued" and #(image.locations or {}) == 0 then return true end
    return "kept", ("the image is %s: Glance has its data"):format(image.status)
  end,
}

actions.unprotect_glance_image = {
  thing = function(data) return "protection of the Glance image " .. data.image_id end, done = "taken back",
  run = function(data, connections)
    local client, err = connections:glance()
    if not client then return nil, err end
    local changed, problem = client:update(data.image_id, { { op = "replace", path = "/protected", value = false } })
    if changed or problem:is("glance.not_found", "glance.gone") then return true end
    return nil, problem
  end,
}

-- A record that Glance is still storing data for may leave a half-written RBD image when Glance dies over it. Once
-- the record is gone, an image of that name belongs to nobody; one with a snapshot is complete, and not touched.
actions.delete_upload = {
  thing = function(data) return "Glance image " .. data.image_id end, done = "deleted",
  rewind = is_queued,
  run = function(data, connections)
    local deleted, err = when_back(is_disturbed, delete_image, data, connections)
    if not deleted or not data.pool then return deleted, err end
    local pool = pool_of(data, connections)
    local image = pool and core.rbd.open(pool, data.image)
    if not image then return true end
    local complete = #(image:snapshots() or { true }) > 0
    image:close()
    if complete then return true end
    return gone(remove_image(pool, data.image))
  end,
}

-- What only another host can undo may be tried again there.
local function elsewhere(op, text)
  return errors.new("undo.elsewhere", op, text)
end

actions.remove_scratch = {
  thing = function(data) return "scratch file " .. data.path end, done = "removed",
  run = function(data)
    if data.host ~= core.system.hostname() then
      return nil, elsewhere("undo.remove_scratch", "it is on the host " .. data.host)
    end
    os.remove(data.path)
    local _, problem, number = os.remove(data.directory)
    if not problem or number == ENOENT then return true end
    return nil, errors.new("EIO", "undo.remove_scratch", problem)
  end,
}

actions.run_thaw = {
  thing = function(data) return ("freeze (`%s`)"):format(data.command) end, done = "ended",
  run = function(data)
    if data.host ~= core.system.hostname() then
      local text = "it has to be ended on the host %s, where it was begun"
      return nil, elsewhere("undo.run_thaw", text:format(data.host))
    end
    return require("siphon.quiesce").run(data.command)
  end,
}

undo.actions = actions

--- What the undo is about, for people: "snapshot volumes/vm1@siphon-1".
function undo.thing(name, data)
  return actions[name].thing(data)
end

--- What the undo does, for people: "snapshot volumes/vm1@siphon-1 removed".
function undo.text(name, data)
  return actions[name].thing(data) .. " " .. actions[name].done
end

--- Whether a step with that undo can be undone so that it can be done again.
function undo.can_rewind(name)
  return actions[name] ~= nil and actions[name].rewind ~= false
end

--- Undoes a step so that it can be done again.
function undo.rewind(name, data, connections)
  return (actions[name].rewind or actions[name].run)(data, connections)
end

--- Runs the undo of that name on the data. An unknown name (a record of a later version) is an error.
function undo.run(name, data, connections)
  local action = actions[name]
  if not action then
    return nil, errors.new("undo.unknown", nil, ("this version of siphon knows no undo '%s'"):format(name))
  end
  return action.run(data, connections)
end

return undo
