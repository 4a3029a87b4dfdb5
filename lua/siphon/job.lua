--- One copy as a sequence of steps.
--
-- Before a step acts, the job writes down how to undo it (a name and plain data, see siphon.undo). On
-- failure, on cancellation and when a route gives up, the undos of what was begun run in reverse, shielded
-- from cancellation.
--
-- A job that was cut off is taken up again by going through the same steps with its record (see siphon.replay): those
-- that are done there are passed over.
--
-- Inside a job an expected failure is raised (`assert(image:flatten())` keeps the error object); siphon.copy
-- turns it back into nil and an error.

local core = require "siphon.core"
local errors = require "siphon.errors"
local event = require "siphon.event"
local journals = require "siphon.journal"
local progress = require "siphon.progress"
local replay = require "siphon.replay"
local undo = require "siphon.undo"

local job = {}

local UNDO_TIMEOUT = 600 -- seconds for one undo, when the cluster or a command does not answer any more

local Job = {}
Job.__index = Job

--- An id that sorts by time: 20260131-093501-4f9a1c.
function job.new_id()
  local random = core.system.random(3):gsub(".", function(c) return ("%02x"):format(c:byte()) end)
  return os.date("!%Y%m%d-%H%M%S-") .. random
end

--- A job for the request (see siphon.request). Its fields, as they become known: id, request, connections,
-- source, target, facts, policy, snapshot (the record of the one being copied), route, parent (see siphon.routes),
-- hash (see siphon.hashes).
function job.new(request)
  local id = request.job_id
  return setmetatable({
    id = id, request = request, started = core.task.now(), entries = {}, left_behind = {},
    bytes = { copied = 0, through_host = 0 },
    journal = request.journal or journals.memory(), header = {}, story = {}, position = 0,
    events = event.emitter(id, request.on_event and { request.on_event } or {}),
  }, Job)
end

function Job:emit_step(name, state, fields)
  local e = { step = name, state = state }
  for key, value in pairs(fields or {}) do e[key] = value end
  self.events:emit("step", e)
end

-- Raises when the record cannot be written: nothing may happen that it does not tell.
function Job:put(key, value)
  local ok, err = self.journal:put(key, value)
  if ok then return end
  if err:is "lease.lost" then self.lost = err end
  error(err, 0)
end

function Job:write(entry)
  self:put(("step.%04d"):format(entry.number), entry)
end

--- Adds to what the record says of the whole job: plain data.
function Job:remember(fields)
  for key, value in pairs(fields) do self.header[key] = value end
  self:put("job", self.header)
end

--- Adds a line to the job's story, { text, kind?, time? } (see siphon.story), to be written with the next entry.
function Job:tell(line)
  line.time = line.time or core.system.time()
  self.story[#self.story + 1] = line
  if self.journal.put_later then self.journal:put_later(("story.%04d"):format(#self.story), line) end
end

function Job:begin(name, plan)
  local entry = {
    number = #self.entries + 1, step = name, state = "started", detail = plan.detail, began = core.system.time(),
    undo = plan.undo and plan.undo[1], data = plan.undo and plan.undo[2], holds = plan.holds,
  }
  core.system.fault_step(name)
  self:write(entry)
  self.entries[entry.number], self.position = entry, entry.number
  self:emit_step(name, "started", { detail = plan.detail })
  return entry
end

local function is_untouched(err, codes)
  return codes ~= nil and err:is(table.unpack(codes))
end

function Job:fail(entry, err, plan, seconds)
  entry.state, entry.failed, entry.seconds = "failed", true, seconds
  if is_untouched(err, plan.untouched) then entry.undo = nil end
  self:emit_step(entry.step, "failed", {
    detail = entry.detail, seconds = seconds, error = errors.plain(err),
  })
  -- The undo stays on record if this cannot be written, which is the safe side.
  core.task.shield(function() pcall(self.write, self, entry) end)
  error(err, 0)
end

-- Calls plan.act and records how it went.
function Job:act(entry, plan)
  local began, hash = core.task.now(), self.hash
  local before = { copied = self.bytes.copied, through_host = self.bytes.through_host }
  local function note(fields)
    for key, value in pairs(fields) do entry.data[key] = value end
    self:write(entry)
  end
  local results = table.pack(xpcall(plan.act, errors.handler, note))
  local err = results[2]
  if results[1] and results[2] == nil and errors.is(results[3]) then results[1], err = false, results[3] end
  local seconds = core.task.now() - began
  if not results[1] then self:fail(entry, err, plan, seconds) end
  entry.state, entry.seconds = "done", seconds
  if plan.keep then entry.result = results[2] end
  if self.bytes.copied > before.copied or self.bytes.through_host > before.through_host then
    entry.bytes = { copied = self.bytes.copied - before.copied,
      through_host = self.bytes.through_host - before.through_host }
  end
  if self.hash ~= hash then entry.hash = self.hash end
  self:write(entry)
  self:emit_step(entry.step, "done", { detail = plan.detail, seconds = seconds })
  return table.unpack(results, 2, results.n)
end

--- Does one step: records its undo, calls `act`, records the result. Returns what `act` returns; raises its
-- error. plan:
--   detail      what it does, for people
--   act         function(note); may wait, may raise or return nil, err; note{...} adds to the undo's data
--               what the step learned (an id)
--   undo        { name, data }: see siphon.undo
--   untouched   codes of errors which prove that the step had no effect, so that nothing is undone
--   holds       names of earlier steps that must not be undone if this one cannot be
-- and for when the job was cut off and is taken up again (see siphon.replay):
--   keep        its result is plain data, and part of the record
--   still       function(data): whether the effect of a step that was done is still there (default: it is)
--   found       function(data): the result when a step that was cut off had its effect all the same, else nil
--   again       a step that was cut off may simply be done once more; without it, it is undone first
--   restart     a step that was cut off cannot be gone on with: its route is undone, and begun again
function Job:step(name, plan)
  core.task.checkpoint()
  local entry, result = replay.find(self, name, plan)
  if entry and entry.state ~= "started" then return result end
  return self:act(entry or self:begin(name, plan), plan)
end

-- Runs the undo of one entry; returns the state that follows and, for "kept", why.
function Job:undo_entry(entry, rewind)
  local run = rewind and undo.rewind or undo.run
  local ran, result, err = pcall(core.task.timeout, UNDO_TIMEOUT, run, entry.undo, entry.data, self.connections)
  if not ran then result, err = nil, errors.handler(result) end
  if result == true then return "undone" end
  return "kept", result == "kept" and err or tostring(err), result ~= "kept" and err or nil
end

function Job:settle(entry, state, reason, err)
  entry.state, entry.reason, entry.settled = state, reason, core.system.time()
  pcall(self.write, self, entry)
  local text = state == "kept" and undo.thing or undo.text
  self:emit_step(entry.step, state, { detail = text(entry.undo, entry.data), reason = reason })
  if state == "kept" then
    self.left_behind[#self.left_behind + 1] = {
      step = entry.step, text = undo.thing(entry.undo, entry.data), undo = entry.undo, data = entry.data,
      reason = reason, error = err and errors.plain(err),
    }
  end
end

-- Says in the record that the undo is about to run, which is also how this process learns that the job is another's by
-- now: then it must not. Any other trouble with the record is none of the undo's: it gives back room on a full pool.
function Job:may_undo(entry, state)
  core.system.fault_step(entry.step .. ".undo")
  entry.state = state or "undoing"
  pcall(self.write, self, entry)
  return self.lost == nil
end

local SETTLED = { undone = true, kept = true, released = true }

--- Undoes, in reverse, every step after number `from` (default: all) that was begun and is not settled yet.
-- What cannot be undone is told in events and in `left_behind`; the others are undone all the same.
-- options.kept_too: also what an earlier undo could not; options.rewind: so that it can be done again (see
-- siphon.replay).
function Job:undo(from, options)
  options = options or {}
  core.task.shield(function()
    -- What a cancelled task held in its hands is garbage by now; collecting it closes its handles.
    collectgarbage()
    local held = {}
    for number = #self.entries, (from or 0) + 1, -1 do
      local entry = self.entries[number]
      local settled = SETTLED[entry.state] and not (options.kept_too and entry.state == "kept")
      if entry.undo and not settled then
        local state, reason, err
        if held[entry.step] then
          state, reason = "kept", ("it belongs to what step %s left behind"):format(held[entry.step])
        elseif self:may_undo(entry) then
          state, reason, err = self:undo_entry(entry, options.rewind)
        else
          return
        end
        if state == "kept" then
          for _, name in ipairs(entry.holds or {}) do held[name] = entry.step end
        end
        self:settle(entry, state, reason, err)
      elseif from and not entry.undo then
        entry.state = "undone" -- what it did went with what the others did; the job goes on without it
        pcall(self.write, self, entry)
      end
    end
    self.position = #self.entries
  end)
end

--- Undoes the step of that name because it is no longer needed (the source's snapshot, at the end of a copy). Does
-- nothing when there was none. A failure does not fail the job: it is told as "kept". `as`: the state that the step
-- is in afterwards (default: "released").
function Job:release(name, as)
  for _, entry in ipairs(self.entries) do
    if entry.step == name and entry.undo and not SETTLED[entry.state] then
      if not self:may_undo(entry, not as and "releasing" or nil) then error(self.lost, 0) end
      local state, reason, err = self:undo_entry(entry)
      self:settle(entry, state == "undone" and (as or "released") or state, reason, err)
    end
  end
end

-- What will have passed through this host when a step is that far; nil when it is not known what there is to move.
local function through_host(bytes, options, done, total)
  if not options.passes then return bytes.through_host end
  local whole = options.exact and total or bytes.allocated
  return whole and bytes.through_host + math.floor(options.passes * whole * done / total)
end

--- A function (done, total) for the `progress` option of a primitive: tells the progress of the step in bytes. options:
--   size     the bytes that the whole is worth, when the primitive counts something else (objects)
--   passes   how often each byte that exists passes through this host: 1 when it is read, 2 when it is written too
--            (default: 0)
--   exact    the total is what exists, without holes
function Job:meter(step, detail, options)
  local meter = progress.meter(0, core.task.now())
  options = options or {}
  return function(done, total)
    if total <= 0 then return end
    local scale = options.size and options.size / total or 1
    done, total = math.floor(done * scale), math.floor(total * scale)
    local _, rate, left = meter:update(done, core.task.now(), total)
    self.events:progress {
      step = step, detail = detail, done = done, total = total, rate = rate, seconds_left = left,
      through_host = through_host(self.bytes, options, done, total),
    }
  end
end

--- Counts bytes: copied into the target, and through_host (each byte read here and each byte written from
-- here).
function Job:count(bytes)
  self.bytes.copied = self.bytes.copied + (bytes.copied or 0)
  self.bytes.through_host = self.bytes.through_host + (bytes.through_host or 0)
end

--- The source, opened at the snapshot that is being copied. The caller closes it.
function Job:open_source()
  return core.rbd.open(self.source.pool, { id = self.source.info.id }, { snapshot = self.snapshot.name })
end

--- Protects the copy with the snapshot that Glance expects. For a policy's `after`.
function Job:seal() self.target:seal(self) end

--- Compares the copy with the source's snapshot: size, no parent, no image-meta, sealed. For a policy's
-- `after`.
function Job:verify() self.target:verify(self) end

--- Makes the copy known: registers its location with Glance and waits until the image is active; for an RBD
-- target gives the image its name. For a policy's `after`.
function Job:register() self.target:register(self) end

return job
