--- Tasks of ceph-mgr's module rbd_support (`rbd task ...`): it flattens images on its own host, one at a time for
-- all pools.
--
-- It writes each task down in the pool (object rbd_task), so that a task survives the manager's restart. A task that
-- has ended, well or not, is no longer listed; what it did has to be looked for.

local core = require "siphon.core"
local errors = require "siphon.errors"
local json = require "siphon.json"

local mgr = {}

local ANSWER = 30        -- seconds for one answer
local PATIENCE = 600     -- seconds without one; another manager takes over within a minute
local LOOK_EVERY = 0.5   -- seconds
local LETS_GO = 60       -- seconds for a task that was cancelled to end

-- What a manager answers that is starting, or that has just been replaced.
local TRANSIENT = {
  "ETIMEDOUT", "EAGAIN", "EBUSY", "ENOTCONN", "ECONNRESET", "ECONNREFUSED", "EIO", "ENXIO", "ENOSYS", "EINVAL",
  "EOPNOTSUPP", "timeout",
}

local function ask(cluster, command)
  command.format = "json"
  local text, err = core.task.timeout(ANSWER, cluster.mgr_command, cluster, command)
  if not text then return nil, err end
  return text:find "%S" and json.decode(text) or {}
end

-- Asks again for as long as the manager may only be restarting.
local function ask_patiently(cluster, command)
  local deadline = core.task.now() + PATIENCE
  while true do
    local answer, err = ask(cluster, command)
    if answer or not err:is(table.unpack(TRANSIENT)) or core.task.now() > deadline then return answer, err end
    core.task.sleep(LOOK_EVERY)
  end
end

--- Whether the manager takes tasks from this user: true, or false when it does not or is not there.
function mgr.takes_tasks(cluster)
  return ask(cluster, { prefix = "rbd task list" }) ~= nil
end

--- Asks for the image "pool/[namespace/]image" to be flattened; asking twice gives the same task.
function mgr.flatten(cluster, spec)
  return ask_patiently(cluster, { prefix = "rbd task add flatten", image_spec = spec })
end

--- The tasks that are waiting or running: { { id, message, progress (0 to 1), retry_message, refs }, ... }.
function mgr.tasks(cluster)
  return ask_patiently(cluster, { prefix = "rbd task list" })
end

--- The task of that id; nil when it is not listed; nil and an error when the manager does not answer.
function mgr.find(cluster, id)
  local list, err = mgr.tasks(cluster)
  if not list then return nil, err end
  for _, task in ipairs(list) do
    if task.id == id then return task end
  end
end

-- The tasks on the image { pool, namespace, image }; nil and an error.
local function tasks_on(cluster, at)
  local list, err = ask(cluster, { prefix = "rbd task list" })
  if not list then return nil, err end
  local found = {}
  for _, task in ipairs(list) do
    local refs = task.refs or {}
    if refs.image_name == at.image and refs.pool_name == at.pool
      and (refs.pool_namespace or "") == (at.namespace or "") then
      found[#found + 1] = task
    end
  end
  return found
end

--- Cancels what is to be done to the image { pool, namespace, image }, and waits until the manager has let go of it. A
-- task that is being done is only asked to end: it is listed until the manager has closed the image, and whoever
-- removes the image before that leaves behind the objects that the manager writes after (rbd_support/task.py,
-- task_cancel and execute_task, Ceph 16). nil and an error of code "mgr.task" when it does not within `patience`
-- seconds (default 60), as on a full pool.
function mgr.cancel(cluster, at, patience)
  patience = patience or LETS_GO
  local deadline, asked = core.task.now() + patience, {}
  while true do
    local tasks, err = tasks_on(cluster, at)
    if not tasks then return nil, err end
    if #tasks == 0 then return true end
    for _, task in ipairs(tasks) do
      if not asked[task.id] then
        asked[task.id] = true
        local cancelled, problem = ask(cluster, { prefix = "rbd task cancel", task_id = task.id })
        if not cancelled and not problem:is "ENOENT" then return nil, problem end
      end
    end
    if core.task.now() > deadline then
      return nil, errors.new("mgr.task", "mgr.cancel", ("ceph-mgr still works on the image '%s' of the pool '%s' %d s "
        .. "after its task was cancelled; try again when it has ended (`rbd task list`)")
        :format(at.image, at.pool, math.floor(patience)), { retryable = true })
    end
    core.task.sleep(LOOK_EVERY)
  end
end

--- A function that is told how far a task is: when that has not changed for `seconds` and is_full() is true, it calls
-- tell(), once. On a full pool the manager does not fail; it waits for room, and says nothing of it.
function mgr.room_watch(seconds, is_full, tell)
  local last, since, told
  return function(progress)
    local now = core.task.now()
    if progress ~= last then
      last, since = progress, now
    elseif not told and now - since >= seconds and is_full() then
      told = true
      tell()
    end
  end
end

mgr.LOOK_EVERY = LOOK_EVERY

return mgr
