-- Evacuates a pool: copies every RBD image in it to another one, some at a time. With `remove`, the originals go to the
-- trash for a week once the copies are there. Images that somebody uses are left alone and named at the end.
--
--   siphon run examples/evacuate.lua FROM TO [remove]        each a POOL or POOL/NAMESPACE

local from, to, remove = arg[1], arg[2], arg[3] == "remove"
if not to then
  io.stderr:write("usage: siphon run evacuate.lua FROM TO [remove]\n")
  os.exit(64)
end

local AT_ONCE <const>, WEEK <const> = 4, 7 * 24 * 3600
local task, rbd = siphon.task, siphon.rbd
local cluster <close> = assert(siphon.rados.connect())
local pool <close> = assert(cluster:pool(from:match "^[^/]+", { namespace = from:match "/(.*)" }))

local function in_use(name)
  local image <close> = assert(rbd.open(pool, name))
  return #assert(image:watchers()) > 0 -- reading does not watch
end

-- Moves one; returns why not.
local function evacuate(name)
  if in_use(name) then return "in use" end
  local source, target = from .. "/" .. name, to .. "/" .. name
  local result, err = siphon.copy { source = source, target = target, connection = cluster }
  if not result then return err.message end
  print(("%s -> %s, %s"):format(source, target, siphon.units.bytes(result.bytes.size)))
  if not remove then return nil end
  local ok, problem = rbd.trash_move(pool, name, { delay = WEEK })
  return not ok and "copied, but it stays: " .. problem.message or nil
end

local places, jobs, left = task.semaphore(AT_ONCE), {}, {}
for i, entry in ipairs(assert(rbd.list(pool))) do
  jobs[i] = function()
    local place <close> = places:acquire() -- luacheck: ignore 211
    local why = evacuate(entry.name)
    if why then left[#left + 1] = ("%s/%s: %s"):format(from, entry.name, why) end
  end
end
task.gather(jobs)

table.sort(left)
for _, text in ipairs(left) do print("left: " .. text) end
os.exit(#left == 0 and 0 or 1)
