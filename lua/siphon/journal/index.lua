--- The list of jobs beside their records: the omap of the object siphon.jobs. "job.ID" is a job that is not over: its
-- record is there, or it waits in the queue and the line is all there is of it; "done.ID" the one line that is left of
-- one that ended, and "told.ID" how it went. Ids sort by time, and so do the keys.
--
-- A job ends in three steps, since they concern two objects: its line here gets the final state; its record is removed;
-- its line moves to the history. Who finds a job cut off in between does the rest (`settle`): a line with a final state
-- needs no lease.

local errors = require "siphon.errors"
local json = require "siphon.json"

local index = {}

index.OBJECT = "siphon.jobs"

local LIVE, DONE, TOLD = "job.", "done.", "told."
local HISTORY = 200 -- lines that are kept

local FINAL = { done = true, undone = true }

--- Whether a job of that state is over, and only its line has to be put away.
function index.is_final(state)
  return FINAL[state] or false
end

--- Lists a job; line: plain data. An error of code "rados.conflict" when another one has that id, or had it.
function index.add(pool, id, line)
  local ok, err = pool:omap_set(index.OBJECT, { [LIVE .. id] = json.encode(line) },
    { expect = { [LIVE .. id] = "", [DONE .. id] = "" } })
  if ok or not err:is "rados.conflict" then return ok, err end
  return nil, errors.explain(err, ("another job has the id %s already: try again, and it gets a new one"):format(id))
end

--- Puts another line in the place of the one with this text, if it still has it; an error of code "rados.conflict"
-- otherwise.
function index.replace(pool, id, text, other)
  return pool:omap_set(index.OBJECT, { [LIVE .. id] = json.encode(other) }, { expect = { [LIVE .. id] = text } })
end

--- The line of a job that is not over, as it is stored; nil when there is none.
function index.text(pool, id)
  local entries = pool:omap_get(index.OBJECT, { keys = { LIVE .. id } })
  return entries and entries[LIVE .. id]
end

--- Takes a line out that was added for nothing, if it still is this one.
function index.drop(pool, id, line)
  return pool:omap_remove(index.OBJECT, { LIVE .. id }, { expect = { [LIVE .. id] = json.encode(line) } })
end

--- The error of who comes too late for a job.
function index.over(id)
  return errors.new("job.over", nil, ("job %s is over"):format(id))
end

--- Makes the line of a job another one than it was: from here on somebody has it. An error of code "job.over" when
-- there is no line, or one of a job that ended.
function index.claim(pool, id)
  local entries, err = pool:omap_get(index.OBJECT, { keys = { LIVE .. id } })
  if not entries then return nil, err end
  local text = entries[LIVE .. id]
  local line = text and json.decode(text, { drop_null = true })
  if not line or index.is_final(line.state) then return nil, index.over(id) end
  line.claims, line.state = (line.claims or 0) + 1, "running"
  return index.replace(pool, id, text, line)
end

local function read(pool, prefix)
  local entries, err = pool:omap_get(index.OBJECT, { prefix = prefix })
  if not entries then
    if err:is "ENOENT" then return {} end
    return nil, err
  end
  local list = {}
  for key, value in pairs(entries) do
    local line = json.decode(value, { drop_null = true }) or {}
    line.id = key:sub(#prefix + 1)
    list[#list + 1] = line
  end
  table.sort(list, function(a, b) return a.id < b.id end)
  return list
end

--- The lines of the jobs that have a record, the oldest first.
function index.live(pool) return read(pool, LIVE) end

--- The lines of those that ended, the oldest first.
function index.history(pool) return read(pool, DONE) end

local function find(pool, prefix, id)
  local entries, err = pool:omap_get(index.OBJECT, { keys = { prefix .. id } })
  if not entries then
    if err:is "ENOENT" then return nil end
    return nil, err
  end
  local line = entries[prefix .. id] and json.decode(entries[prefix .. id], { drop_null = true })
  if line then line.id = id end
  return line
end

--- The line of that job, or nil (and an error, when that is not known); the second result of a line tells whether the
-- job is over.
function index.find(pool, id)
  local line, err = find(pool, LIVE, id)
  if line or err then return line, err or false end
  line, err = find(pool, DONE, id)
  return line, err or line and true or nil
end

local function ended_before(a, b)
  local a_ended, b_ended = a.ended or 0, b.ended or 0
  if a_ended ~= b_ended then return a_ended < b_ended end
  return a.id < b.id
end

-- The lines beyond what is kept: of those that ended first, not of those that began first, or a long job would be
-- forgotten as soon as it is over. Two who prune at once remove the same ones.
local function prune(pool)
  local history = index.history(pool) or {}
  table.sort(history, ended_before)
  local keys = {}
  for i = 1, #history - HISTORY do
    table.move({ DONE .. history[i].id, TOLD .. history[i].id }, 1, 2, #keys + 1, keys)
  end
  if #keys > 0 then pool:omap_remove(index.OBJECT, keys) end
end

-- The second and third step of the end.
local function put_away(pool, id, line)
  local removed, err = pool:remove("siphon.job." .. id)
  if not removed and not err:is "ENOENT" then return nil, err end
  return pool:omap_set(index.OBJECT, { [DONE .. id] = json.encode(line) }, { remove = { LIVE .. id } })
end

--- Ends a job: its record goes; `line` is what is left of it, and how it went: story.
function index.finish(pool, id, line, story)
  local ok, err = pool:omap_set(index.OBJECT, { [LIVE .. id] = json.encode(line),
    [TOLD .. id] = json.encode(json.array(story)) })
  if ok then ok, err = put_away(pool, id, line) end
  if ok then index.settle(pool) end
  return ok, err
end

--- How a job went that ended: the lines of its story.
function index.story(pool, id)
  local entries = pool:omap_get(index.OBJECT, { keys = { TOLD .. id } })
  return entries and entries[TOLD .. id] and json.decode(entries[TOLD .. id], { drop_null = true }) or {}
end

--- Puts away what others left half-way at its end, and what is more history than is kept.
function index.settle(pool)
  for _, line in ipairs(index.live(pool) or {}) do
    if index.is_final(line.state) then put_away(pool, line.id, line) end
  end
  prune(pool)
end

return index
