--- Taking up a job that was cut off: its steps are gone through again in their order, by the same code, and matched
-- with those on its record.
--
-- A step that the record calls done is passed over, and its recorded result returned. One that was cut off in its midst
-- is looked for (plan.found), or done once more as it is (plan.again), or undone and done anew; or its route is
-- (plan.restart). To undo a step is to undo first all that follows it, so a job can go back a bit, but never past what
-- cannot be done twice: the id of a Glance image is used up with its record.

local core = require "siphon.core"
local errors = require "siphon.errors"
local story = require "siphon.story"
local undo = require "siphon.undo"

local replay = {}

local DONE = { done = true, releasing = true, released = true }
local GONE = { undone = true, kept = true }

-- The next entry of the record that has an effect, or nil when all were gone through.
local function next_entry(job)
  for number = job.position + 1, #job.entries do
    local entry = job.entries[number]
    if not GONE[entry.state] then return entry end
  end
end

--- Fills a job with what its record says (see siphon.journal.record).
function replay.load(job, there)
  local numbers = {}
  for number in pairs(there.steps) do numbers[#numbers + 1] = number end
  table.sort(numbers)
  for i, number in ipairs(numbers) do job.entries[i] = there.steps[number] end
  job.story = there.story
  job.header = there.job
  job.resumed = true
end

local function cannot_go_back(entry, name)
  errors.raise("job.resume", "job.resume", ("it cannot be taken up: step %s would have to be done again, and %s "
    .. "cannot be made twice"):format(name, undo.thing(entry.undo, entry.data)))
end

-- Undoes from the end of the record down to the entry.
local function rewind(job, entry, name)
  for number = #job.entries, entry.number, -1 do
    local later = job.entries[number]
    if later.undo and not GONE[later.state] and not undo.can_rewind(later.undo) then cannot_go_back(later, name) end
  end
  job:undo(entry.number - 1, { rewind = true })
end

local function finish_found(job, entry, plan, result)
  entry.state = "done"
  if plan.keep then entry.result = result end
  job:write(entry)
  job:emit_step(entry.step, "done", { detail = plan.detail })
end

local function pass(job, entry)
  job.position = entry.number
  if entry.bytes then job:count(entry.bytes) end
  job.hash = entry.hash or job.hash
end

-- A step that was cut off. Returns the entry when it is over, or to be done again.
local function take_up(job, entry, plan)
  local result
  if plan.found then result = plan.found(entry.data or {}) end
  if result ~= nil then
    finish_found(job, entry, plan, result)
    pass(job, entry)
    return entry, result
  end
  if plan.restart then
    errors.raise("job.restart", "job.resume", ("step %s cannot be gone on with"):format(entry.step))
  end
  if not plan.again then return nil end
  job:tell { kind = "step", step = entry.step, state = "cut off", text = story.cut_off(entry), time = entry.began }
  entry.state, entry.began = "started", core.system.time()
  job.position = entry.number
  core.system.fault_step(entry.step)
  job:write(entry)
  return entry
end

--- The entry of the record that this step is, and its result: one in state "started" is to be acted on once more, any
-- other is over. Nil when the step has to be begun.
function replay.find(job, name, plan)
  local entry = next_entry(job)
  if not entry then return nil end
  if entry.step == name then
    if not DONE[entry.state] then
      local found, result = take_up(job, entry, plan)
      if found then return found, result end
    elseif entry.state ~= "done" or not plan.still or plan.still(entry.data or {}) then
      pass(job, entry)
      return entry, entry.result
    end
  end
  rewind(job, entry, name)
  return nil
end

--- Passes over the entry of that name, when it is the next.
function replay.pass(job, name)
  local entry = next_entry(job)
  if entry and entry.step == name then pass(job, entry) end
end

--- Whether the record has such a step, begun or done, that is not undone.
function replay.has_begun(job, name)
  for _, entry in ipairs(job.entries) do
    if entry.step == name and not GONE[entry.state] then return true end
  end
  return false
end

--- Whether the record has such a step as done.
function replay.has_done(job, name)
  for _, entry in ipairs(job.entries) do
    if entry.step == name and DONE[entry.state] then return true end
  end
  return false
end

return replay
