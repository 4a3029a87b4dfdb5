-- The matrix of what a crash can leave behind: every route x every point at which the process can die
-- (core/engine/fault.h) x resume or undo by another process. The points are those that a run of the route passes, so
-- a new step is in it without being told.

local core = require "siphon.core"
local json = require "siphon.json"

local bed = require "support.bed"
local command = require "support.command"
local watches = require "support.watches"

local matrix = {}

local RAW, FILE = "raw", "file" -- what the image is compared as

--- The ways to go: name, arguments, and the kind of target.
matrix.ways = {
  { name = "copy", arguments = { "--route", "copy" }, target = "glance" },
  { name = "copy, frozen", arguments = { "--route", "copy", "--freeze-command", "true", "--thaw-command", "true" },
    target = "rbd" },
  { name = "osd_copy", arguments = { "--route", "osd_copy" }, target = "glance" },
  { name = "clone_flatten", arguments = { "--route", "clone_flatten" }, target = "glance" },
  { name = "clone_flatten by mgr", arguments = { "--route", "clone_flatten", "--flatten", "mgr" }, target = "rbd" },
  { name = "instant", arguments = { "--route", "instant" }, target = "glance" },
  { name = "instant to rbd", arguments = { "--route", "instant" }, target = "rbd" },
  { name = "clone", arguments = { "--route", "clone" }, target = "glance", keeps_snapshot = true },
  { name = "deep_copy", arguments = { "--route", "deep_copy" }, target = "rbd" },
  { name = "upload", arguments = { "--route", "upload", "--protected" }, target = "glance" },
  { name = "convert", arguments = { "--route", "convert", "--disk-format", "qcow2" }, target = "glance",
    compare = FILE },
}

-- The lease of a process that is to die is short, so that nobody waits long for it; that of one whose points are
-- listed is long, since its renewals are no points of the steps.
local SHORT, LONG = "SIPHON_LEASE=1", "SIPHON_LEASE=600"

local function run(words)
  return assert(core.process.run(words))
end

local function shell(line)
  local result = run { "/bin/sh", "-c", line }
  assert(result.code == 0, line .. ": " .. result.errors .. result.output)
  return result.output
end

local function uuid()
  local file <close> = assert(io.open "/proc/sys/kernel/random/uuid")
  return file:read "l"
end

-- --- one copy --------------------------------------------------------------------------------------------------

local Trial = {}
Trial.__index = Trial

-- A volume of its own, and everything that a copy of it by this way can leave behind is known by name.
local function new_trial(way)
  local spec, name = bed.volume { size = 16, data = { { 0, 5 }, { 9, 1 } } }
  local id = uuid()
  local scratch = os.tmpname()
  os.remove(scratch)
  shell("mkdir " .. scratch)
  local self = setmetatable({ way = way, spec = spec, volume = name, id = id, scratch = scratch }, Trial)
  if way.target == "glance" then
    self.target, self.image = "glance:" .. name, "images/" .. id
  else
    self.target, self.image = "images/" .. name, "images/" .. name
  end
  return self
end

-- Runs siphon with a fault; returns how it ended.
function Trial:copy(fault)
  local words = { "env", fault:find "^trace" and LONG or SHORT, "SIPHON_FAULT=" .. fault, command.program, "copy",
    self.spec, self.target, "--quiet", "--scratch", self.scratch }
  if self.way.target == "glance" then
    table.move({ "--image-id", self.id, "--pool", "images" }, 1, 4, #words + 1, words)
  end
  table.move(self.way.arguments, 1, #self.way.arguments, #words + 1, words)
  return run(words)
end

-- The id of its job, if it is not done; nil when there is none.
function Trial:job()
  local output = run { command.program, "jobs", "--json", "--journal-pool", "volumes" }.output
  for line in output:gmatch "[^\n]+" do
    local entry = json.decode(line)
    if entry.source == self.spec then return entry.id end
  end
end

function Trial:md5()
  if self.way.compare ~= FILE then
    return shell(("rbd export --no-progress %s - | md5sum"):format(self.image)):match "^%x+"
  end
  return shell(([[cd %s && rbd export --no-progress %s f && qemu-img convert -O raw f r && md5sum r && rm f r]])
    :format(self.scratch, self.image)):match "^%x+"
end

-- What is wrong with the source and the journal, in both cases.
function Trial:common(snapshots)
  local pool = bed.pool "volumes"
  local image <close> = assert(core.rbd.open(pool, self.volume))
  local list = assert(image:snapshots())
  if #list ~= snapshots then
    return ("the source has %d snapshots, %s"):format(#list, json.encode(list[1] or json.null))
  end
  if self:job() then return "the job is still listed" end
  local left = shell("ls -A " .. self.scratch)
  if left ~= "" then return "scratch files: " .. left end
end

local function glance_status(id)
  local response = assert(core.http.request { url = bed.url .. "/v2/images/" .. id })
  return response.status == 200 and json.decode(response.body).status or nil
end

-- The names that the copy's image can have: the one that it is to have, and the one that it has until then.
function Trial:names(job)
  return { self.image:match "/(.*)", job and "siphon-" .. job }
end

-- Resumes or undoes the job as another process; once more when the OSD keeps the watch of the dead one.
function Trial:follow(what, job)
  local words = { command.program, what, job, "--quiet" }
  local result = run(words)
  if result.code == 0 or not result.errors:find "left behind:" then return result end
  for _, name in ipairs(self:names(job)) do
    if watches.drop_dead(bed.pool "images", name) then return run(words) end
  end
  return result
end

-- Notes the ids of the RBD images that the copy has now, which its objects are named by, and who made them.
function Trial:note(made, who, job)
  for _, name in ipairs(self:names(job)) do
    local image <close> = core.rbd.open(bed.pool "images", name)
    if image and not made[image.id] then made[image.id] = who end
  end
end

-- After resume: one active image, identical. Nil, or what is wrong.
function Trial:check_copy(expected)
  local status = glance_status(self.id)
  if self.way.target == "glance" and status ~= "active" then return "the Glance image is " .. tostring(status) end
  local got = self:md5()
  if got ~= expected then return "the image differs" end
  return self:common(self.way.keeps_snapshot and 1 or 0)
end

-- After undo: nothing.
function Trial:check_nothing()
  local status = glance_status(self.id)
  if status then return "the Glance image is still there: " .. status end
  for _, name in ipairs(assert(core.rbd.list(bed.pool "images"))) do
    local text = name.name or name
    if text == self.id or text == self.volume then return "the image is still there" end
  end
  return self:common(0)
end

function Trial:clean()
  if self.way.target == "glance" then
    shell(([[curl -sS -X PATCH -H 'Content-Type: application/openstack-images-v2.1-json-patch' -o /dev/null ]]
      .. [[%s/v2/images/%s -d '[{"op":"replace","path":"/protected","value":false}]'; curl -sS -X DELETE -o /dev/null %s/v2/images/%s]])
      :format(bed.url, self.id, bed.url, self.id))
  end
  local function remove(pool_name, name)
    local pool = bed.pool(pool_name)
    local image = core.rbd.open(pool, name, { read_only = false })
    for _, snapshot in ipairs(image and image:snapshots() or {}) do
      image:snapshot_unprotect(snapshot.name)
      image:snapshot_remove(snapshot.name)
    end
    if image then image:close() end
    watches.settle(pool, name)
    core.rbd.remove(pool, name)
  end
  remove("images", self.way.target == "glance" and self.id or self.volume)
  remove("volumes", self.volume)
  shell("rm -rf " .. self.scratch)
end

-- --- all of them -----------------------------------------------------------------------------------------------

-- Not points of their own: the lease's renewal comes when it comes, polling goes on for as long as it takes, and who
-- ends a job also puts away what other jobs left in the index.
local function is_steady(point)
  if point:find "rados%.lock" then return point:find "^job%.create/rados%.lock$" ~= nil end
  return not point:find "#%d%d" and not point:find "glance%.call#" and not point:find "rados%.mgr_command"
    and not point:find "rbd%.allocated" and not point:find "^job%.finish/rados%.remove#"
    and not point:find "^job%.finish/rados%.omap_set#[4-9]"
end

--- The points that a copy by this way passes, in order.
function matrix.points(way)
  local trial = new_trial(way)
  local file = os.tmpname()
  local result = trial:copy("trace " .. file)
  assert(result.code == 0, way.name .. ": " .. result.errors)
  local points, seen = {}, {}
  for point in io.lines(file) do
    if is_steady(point) and not seen[point] then
      seen[point] = true
      points[#points + 1] = point
    end
  end
  os.remove(file)
  matrix.expected = matrix.expected or bed.md5(trial.spec)
  trial:clean()
  return points
end

--- Lets a copy by this way die at the point, and another process resume or undo it. Returns nil when all is as it
-- should be, "not reached", or what is wrong; and the RBD images that were seen, { [id] = who made it }.
function matrix.try(way, point, what)
  local trial = new_trial(way)
  local result = trial:copy("kill " .. point)
  local problem
  local made = {}
  if result.signal ~= 9 then
    problem = result.code == 0 and "not reached" or ("it failed: %s"):format(result.errors)
  else
    local id = trial:job()
    trial:note(made, "the dead", id)
    local after = id and trial:follow(what, id)
    if after and after.code ~= 0 and after.errors:find "is done: nothing of it is left" then
      problem = trial:check_copy(matrix.expected)
    elseif after and after.code ~= 0 then
      problem = ("%s failed: %s"):format(what, after.errors)
    elseif id and what == "undo" then
      problem = trial:check_nothing()
    elseif id then
      problem = trial:check_copy(matrix.expected)
    else -- dead before there was a record, or after the job was done
      problem = trial:check_nothing() and trial:check_copy(matrix.expected)
    end
  end
  trial:note(made, "the last")
  trial:clean()
  return problem, made
end

--- The ids of the RBD images of which there is data in the pool of images, but nothing else.
function matrix.orphans()
  local found = {}
  for name in shell("rados -p images ls"):gmatch "[^\n]+" do
    local id = name:match "^rbd_data%.(%x+)"
    if id and run({ "rados", "-p", "images", "stat", name }).code == 0
      and run({ "rados", "-p", "images", "stat", "rbd_header." .. id }).code ~= 0 then
      found[id] = true
    end
  end
  return found
end

--- Runs fn(case) for every case of the list, a few at once, in its order.
function matrix.each(cases, at_once, fn)
  core.task.scope(function()
    local free = core.task.semaphore(at_once)
    local tasks = {}
    for i, case in ipairs(cases) do
      tasks[i] = core.task.spawn(function()
        local permit <close> = free:acquire() -- luacheck: ignore
        fn(case)
      end)
    end
    for _, task in ipairs(tasks) do task:join() end
  end)
end

matrix.RAW = RAW

return matrix
