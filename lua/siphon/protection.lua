--- The protection of a snapshot that the user named, as far as it is the jobs' affair. Several may copy the same one at
-- once, from any host, and the first to end must not take the protection from under the others.
--
-- A job that needs it holds a shared lock on the image's header, whose cookie names the snapshot and the job; the
-- last to give back its hold takes the protection away. A hold begins before the protection and ends after it: so a
-- protected snapshot that nobody holds is protected by the user, and stays so. It does not run out, since a job that
-- was cut off may be gone on with; it goes with the job's undo. One whose job has no record any more (--no-journal,
-- --forget) has later jobs leave the snapshot protected, and goes with the image.
--
-- To protect with a hold, and to look who else has one and take the protection away, jobs take turns: an exclusive
-- lock, which does run out. What remains is a process that is stopped in its turn for longer than that, and then
-- takes the protection from one who came after it: that one sees at its end that its snapshot was not protected, and
-- fails. Who may not write to the source's pool cannot hold, and copies what the user protected.
--
-- data, everywhere: that of the undo, with image_id, snapshot, snapshot_id and job, an id.

local core = require "siphon.core"

local protection = {}

local HOLD, TURN = "siphon.hold", "siphon.turn"
local TURN_LASTS = 60    -- seconds, of which it takes a fraction of one
local LOOK_EVERY = 0.1

local function header_of(image_id)
  return "rbd_header." .. image_id
end

local function cookie_of(data)
  return ("%d/%s"):format(data.snapshot_id, data.job)
end

-- Whoever had the job before died in its turn, and is barred by now.
local function break_own_turn(pool, object, job)
  for _, holder in ipairs(pool:lockers(object, TURN) or {}) do
    if holder.cookie == job then pool:break_lock(object, TURN, holder.client, holder.cookie) end
  end
end

-- Waits for the turn; returns what ends it when it is closed, or nil and an error.
local function take_turn(pool, data)
  local object = header_of(data.image_id)
  local function over() core.task.shield(pool.unlock, pool, object, TURN, data.job) end
  while true do
    local ok, err = pool:lock(object, TURN, { cookie = data.job, duration = TURN_LASTS, renew = true })
    if ok then return setmetatable({}, { __close = over }) end
    if not err:is "EBUSY" then return nil, err end
    break_own_turn(pool, object, data.job)
    core.task.sleep(LOOK_EVERY)
  end
end

-- Those who hold the snapshot, or nil and an error.
local function holders(pool, image_id, snapshot_id)
  local all, err = pool:lockers(header_of(image_id), HOLD)
  if not all then return nil, err end
  local prefix, found = ("%d/"):format(snapshot_id), {}
  for _, holder in ipairs(all) do
    if holder.cookie:sub(1, #prefix) == prefix then found[#found + 1] = holder end
  end
  return found
end

--- Whether a job holds the snapshot; nil and an error when that is not known.
function protection.is_held(pool, image_id, snapshot_id)
  local found, err = holders(pool, image_id, snapshot_id)
  if not found then return nil, err end
  return #found > 0
end

--- Holds the snapshot and protects it; image: open for writing. True, or nil and an error.
function protection.take(pool, image, data)
  local turn <close>, err = take_turn(pool, data)
  if not turn then return nil, err end
  local held, problem = pool:lock(header_of(data.image_id), HOLD, { cookie = cookie_of(data), shared = true,
    renew = true })
  if not held then return nil, problem end
  local ok, failure = image:snapshot_protect(data.snapshot)
  if ok or failure:is "EBUSY" then return true end -- protected for another job already
  return nil, failure
end

--- Gives back the job's hold alone.
function protection.let_go(pool, data)
  local found, err = holders(pool, data.image_id, data.snapshot_id)
  if not found then return nil, err end
  for _, holder in ipairs(found) do
    if holder.cookie == cookie_of(data) then
      local ok, problem = pool:break_lock(header_of(data.image_id), HOLD, holder.client, holder.cookie)
      if not ok and not problem:is "ENOENT" then return nil, problem end
    end
  end
  return true
end

--- Gives back the job's hold, and the protection when nobody else needs it. True; or nil and an error: EBUSY when the
-- snapshot has a clone.
function protection.give_back(pool, image, data)
  local turn <close>, err = take_turn(pool, data)
  if not turn then return nil, err end
  local found, problem = holders(pool, data.image_id, data.snapshot_id)
  if not found then return nil, problem end
  local is_needed = false
  for _, holder in ipairs(found) do is_needed = is_needed or holder.cookie ~= cookie_of(data) end
  if not is_needed then
    local ok, failure = image:snapshot_unprotect(data.snapshot)
    if not ok and not failure:is "EINVAL" then return nil, failure end -- EINVAL: it is not protected
  end
  return protection.let_go(pool, data)
end

return protection
