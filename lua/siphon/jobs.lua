--- The jobs of a cluster, whoever began them: listing them, and taking one over to go on with it or to undo it.

local attempts = require "siphon.attempts"
local core = require "siphon.core"
local connections = require "siphon.connections"
local errors = require "siphon.errors"
local execution = require "siphon.execution"
local index = require "siphon.journal.index"
local job = require "siphon.job"
local journals = require "siphon.journal"
local records = require "siphon.journal.record"
local replay = require "siphon.replay"
local requests = require "siphon.request"
local story = require "siphon.story"

local jobs = {}

-- What the caller says of itself; the rest of a job's options is on its record.
local OPTIONS = {
  connection = "any", conf = "string", cluster = "string", id = "string", name = "string", keyring = "string",
  journal_pool = "string", on_event = "function", on_wait = "function", glance = "any", forget = "boolean",
  os_cloud = "string table", os_region_name = "string", os_interface = "string", os_service_cloud = "string table",
  target_conf = "string", target_id = "string", target_keyring = "string",
  max_rate = "integer", max_in_flight = "integer",
}

local function check(op, options)
  return errors.check_options(op, options or {}, OPTIONS)
end

-- --- looking ---------------------------------------------------------------------------------------------------

-- Calls fn(places, here) with the pools that hold journals; returns what it returns, or nil and an error. Who takes a
-- job over has a connection of its own beside this one, since it can be barred. open: how to connect (default: to the
-- source's cluster alone).
local function with_places(options, fn, open)
  local here <close>, err = (open or connections.home)(options)
  if not here then return nil, err end
  local places, problem = journals.places(here, options.journal_pool)
  if not places then return nil, problem end
  return fn(places, here)
end

local WAITS = { queued = true, failed = true }

-- What a job is doing, from its line, the header of its record, if there is one, and whether somebody has the lease.
local function state_of(line, header, held)
  if index.is_final(line.state) then return line.state end
  if held then return "running" end
  local state = (header or line).state
  return WAITS[state] and state or "abandoned"
end

local function place_text(pool)
  return pool.namespace ~= "" and pool.name .. "/" .. pool.namespace or pool.name
end

-- One job as `siphon jobs --json` prints it, without what is not known.
local function describe(pool, line)
  if index.is_final(line.state) then
    return {
      id = line.id, state = line.state, source = line.source, target = line.target, route = line.route,
      image_id = line.image_id, started = line.started, updated = line.ended, holder = line.holder, error = line.error,
      bytes = line.bytes, journal = place_text(pool),
    }
  end
  local there = records.glance(pool, line.id) or {}
  local header = there.job or line
  local stat = pool:object_stat("siphon.job." .. line.id)
  return {
    id = line.id, state = state_of(line, there.job, records.is_held(pool, line.id)), source = line.source,
    target = line.target, route = header.route, image_id = header.image_id, started = line.started,
    updated = stat and stat.mtime or line.started, holder = there.holder, error = header.error, bytes = header.bytes,
    cancel = there.cancel, journal = place_text(pool), queue = header.queue,
    fresh = attempts.is_fresh(header) or nil,
  }
end

jobs.describe = describe

--- siphon.jobs.list(options) -> { job, ... } | nil, err
-- The jobs of the cluster that are not done, the oldest first. options: the Ceph connection (an open `connection`, or
-- conf and the like); journal_pool: only those there; all: those that ended too, as far as the history goes. Each: id,
-- state ("queued", "running", "abandoned", "failed", "undone", "done"), source, target, route, image_id, started and
-- updated (seconds since 1970), holder { host, pid, user }, error, journal (its pool), queue (of one that was
-- submitted, see siphon.attempts).
function jobs.list(options)
  options = options or {}
  local all = options.all
  local asked = {}
  for key, value in pairs(options) do asked[key] = value end
  asked.all = nil
  check("siphon.jobs.list", asked)
  return with_places(asked, function(places)
    local list = {}
    for _, pool in ipairs(places) do
      local lines, err = index.live(pool)
      if not lines then return nil, err end
      for _, line in ipairs(all and index.history(pool) or {}) do list[#list + 1] = describe(pool, line) end
      for _, line in ipairs(lines) do list[#list + 1] = describe(pool, line) end
    end
    table.sort(list, function(a, b) return a.id < b.id end)
    return list
  end)
end

local function not_found(id)
  return nil, errors.new("job.not_found", nil, ("there is no job '%s' in any journal that this user can read: `siphon "
    .. "jobs --all` lists them"):format(id))
end

-- The pool and the line of a job; the third result tells whether it ended.
local function find(places, id)
  for _, pool in ipairs(places) do
    local line, over = index.find(pool, id)
    if line then return pool, line, over end
    if over then return nil, over end
  end
  return not_found(id)
end

-- The job with its story. over: it is, and the story is all that is left of its record.
local function tell(pool, line, over)
  local shown = describe(pool, line)
  shown.story = over and index.story(pool, line.id)
    or story.of(records.read(pool, line.id) or {}, shown.state == "running")
  return shown
end

--- siphon.jobs.show(id, options) -> job | nil, err
-- The same of one job, with its `story`: what happened, in order: a list of lines (see siphon.story).
function jobs.show(id, options)
  local told, err = jobs.stories({ id }, check("siphon.jobs.show", options))
  if not told then return nil, err end
  return told[1]
end

local function every_story(places)
  local told = {}
  for _, pool in ipairs(places) do
    local lines, err = index.live(pool)
    if not lines then return nil, err end
    for _, line in ipairs(index.history(pool) or {}) do told[#told + 1] = tell(pool, line, true) end
    for _, line in ipairs(lines) do told[#told + 1] = tell(pool, line) end
  end
  table.sort(told, function(a, b) return a.id < b.id end)
  return told
end

--- siphon.jobs.stories(ids, options) -> { job, ... } | nil, err
-- The same of several jobs, in that order; ids nil: of all that ended or did not, the oldest first.
function jobs.stories(ids, options)
  options = check("siphon.jobs.stories", options)
  return with_places(options, function(places)
    if not ids then return every_story(places) end
    local told = {}
    for i, id in ipairs(ids) do
      local pool, line, over = find(places, id)
      if not pool then return nil, line end
      told[i] = tell(pool, line, over)
    end
    return told
  end)
end

-- --- taking one over -------------------------------------------------------------------------------------------

local TO_THE_CALLER = { "conf", "cluster", "id", "name", "keyring", "on_event", "glance" }
local AT_MOST = { "max_rate", "max_in_flight" }
local IF_GIVEN = {
  "os_cloud", "os_region_name", "os_interface", "os_service_cloud", "target_conf", "target_id", "target_keyring",
}

-- The request on the record, with what the one who takes the job over says of itself.
local function request_of(header, options)
  local asked = {}
  for key, value in pairs(header.request) do asked[key] = value end
  for _, key in ipairs(TO_THE_CALLER) do asked[key] = options[key] end
  for _, key in ipairs(IF_GIVEN) do asked[key] = options[key] or asked[key] end
  for _, key in ipairs(AT_MOST) do
    if options[key] and options[key] > 0 then asked[key] = math.min(options[key], asked[key] or options[key]) end
  end
  local request, err = requests.new(asked, "siphon.jobs.resume")
  if not request then return nil, err end
  request.job_id, request.record = header.id, header.request
  if not request.existing_image then request.image_id = header.image_id end
  return request
end

local function already_over(line)
  return nil, errors.new("job.over", nil, ("job %s is %s: nothing of it is left to go on with or to undo"):format(
    line.id, line.state))
end

-- The story of one that was only submitted begins here.
local function tell_of(taken, holder, former)
  local header = taken.header
  if attempts.is_fresh(header) and #taken.story == 0 then
    local by = header.queue.by
    taken:tell { text = ("submitted by %s on %s"):format(by.user, by.host), time = header.started }
  end
  local from = former and (", after %s, whose lease ran out"):format(journals.holder_text(former)) or ""
  local how = attempts.is_fresh(header) and "from the queue" or "over"
  taken:tell { kind = "holder", text = ("taken %s by %s%s"):format(how, journals.holder_text(holder), from) }
end

-- The job, with the lease on its record.
local function take(pool, line, options, how)
  local there = records.read(pool, line.id) or {}
  local header = there.job or line
  header.id = line.id
  local request, err = request_of(header, options)
  if not request then return nil, err end
  local mine, problem = connections.open(request)
  if not mine then return nil, problem end
  local place, failure = mine:pool(nil, pool.name, pool.namespace)
  local record
  if place then record, failure = records.take(place, line.id, mine, how) end
  if not record then
    mine:close()
    return nil, failure
  end
  local found = failure
  found.job = found.job or header
  found.job.id = line.id
  request.resumed = found.job.decision ~= nil
  local taken = job.new(request)
  replay.load(taken, found)
  taken.record, taken.journal, taken.connections = record, record, mine
  local barred = found.job.barred or {}
  for _, at in ipairs(found.holder and found.holder.addresses or {}) do barred[#barred + 1] = at.address end
  found.job.barred = barred
  tell_of(taken, record.holder, found.holder)
  return taken
end

-- Finds the job and hands it, taken over, to fn; the line of one that is over goes to when_over.
local function with_job(id, options, fn, when_over)
  return with_places(options, function(places)
    local pool, line, over = find(places, id)
    if not pool then return nil, line end
    if over or index.is_final(line.state) then
      index.settle(pool)
      return when_over(line)
    end
    local taken, err = take(pool, line, options, { on_wait = options.on_wait })
    if not taken then return nil, err end
    return fn(taken)
  end)
end

-- The result of a job that is done.
local function already_done(line, on_event)
  local null = require("siphon.json").null
  local result = {
    job = line.id, source = line.source, target = line.target, route = line.route, image_id = line.image_id,
    bytes = line.bytes, seconds = 0,
  }
  local told = {}
  for key, value in pairs(result) do told[key] = value end
  told.image_id, told.location, told.hash = told.image_id or null, null, null
  require("siphon.event").emitter(line.id, on_event and { on_event } or {}):emit("job.done", told)
  return result
end

--- siphon.jobs.resume(id, options) -> result | nil, err
-- Goes on with a job that nobody works on any more: the result is that of siphon.copy. options: the Ceph connection,
-- the cloud, on_event; on_wait(holder): called when a lease has to run out first. Errors: job.held when somebody
-- works on it; job.not_found; job.over. One that failed or was interrupted is undone to its end: the error is the one
-- that it failed with, or job.undone, and a third result tells whether nothing is left of it.
function jobs.resume(id, options)
  options = check("siphon.jobs.resume", options)
  return with_job(id, options, execution.resume, function(line)
    if line.state ~= "done" then return already_over(line) end
    return already_done(line, options.on_event)
  end)
end

--- Goes on with the job of that line in that pool, or begins it when it waits in the queue; as jobs.resume, for one who
-- found it there. An error of code "job.held" at once when somebody else has it. max_rate, max_in_flight: what this one
-- job may use, at most.
function jobs.work(pool, line, options)
  options = check("siphon.jobs.work", options)
  -- Shielded, so that a lease which was taken is not forgotten.
  local taken, err = core.task.shield(take, pool, line, options, { no_wait = true })
  if not taken then return nil, err end
  return execution.resume(taken)
end

--- What a worker has to know of the job of that line in that pool: its state as in jobs.list; its queue; and of an
-- abandoned one, how many who had it died in a row.
function jobs.look(pool, line)
  local there = records.glance(pool, line.id) or {}
  local died = there.holder and (there.holder.after or 0) + 1 or 0
  return state_of(line, there.job, records.is_held(pool, line.id)), (there.job or line).queue, died
end

--- siphon.jobs.undo(id, options) -> true | nil, err
-- Takes back everything that a job did that nobody works on any more. What cannot be taken back keeps the record, so
-- that it can be tried again, unless options.forget.
function jobs.undo(id, options)
  options = check("siphon.jobs.undo", options)
  return with_job(id, options, function(taken) return execution.undo(taken, options.forget) end, function(line)
    if line.state ~= "undone" then return already_over(line) end
    return true
  end)
end

-- A job whose image is there is gone on with: who cancels it came too late.
local function end_of(taken)
  local header = taken.header
  if not header.complete or header.state == "undoing" or header.state == "failed" then return execution.undo(taken) end
  local result, err = execution.resume(taken)
  if not result then return nil, err end
  return true, "complete"
end

--- siphon.jobs.cancel(id, options) -> holder | true | nil, err
-- Asks whoever works on the job to stop and to undo what it did; it notices within two seconds. The answer is who
-- that is. A job that nobody works on is undone here, and the answer is true. One whose image is there already is
-- finished instead, here or by its holder, and there is a second answer: "complete"; or "queued", for one that was not
-- begun.
function jobs.cancel(id, options)
  options = check("siphon.jobs.cancel", options)
  local held, holder, was
  local ok, err = with_places(options, function(places)
    local pool, line, over = find(places, id)
    if not pool then return nil, line end
    if over then return already_over(line) end
    held = records.is_held(pool, id)
    local there = records.glance(pool, id) or {}
    was = state_of(line, there.job, held) == "queued" and "queued"
    if not held then return true end
    holder, was = there.holder, there.job and there.job.complete and "complete"
    return records.ask_to_cancel(pool, id)
  end)
  if not ok then return nil, err end
  if held then return holder or true, was end
  local over, problem = with_job(id, options, end_of, already_over)
  return over, over and (problem or was) or problem
end

-- --- the same copy again ---------------------------------------------------------------------------------------

-- A name means another image in another cluster.
local function same(line, request, here)
  return line.source == tostring(request.source) and line.target == tostring(request.target)
    and line.target_fsid == here:target_fsid(request.target)
end

-- The last line of that copy in these lists.
local function last_of(places, read, request, here)
  local found
  for _, pool in ipairs(places) do
    for _, line in ipairs(read(pool) or {}) do
      if same(line, request, here) and not (found and found.id > line.id) then found = line end
    end
  end
  return found
end

-- Whether the image that a job made is still there.
local function is_there(here, request, line)
  if request.target.kind == "rbd" then
    local target = request.target
    local pool = here:pool(here:target_fsid(target), target.pool, target.namespace)
    local image <close> = pool and core.rbd.open(pool, target.image)
    return image ~= nil
  end
  local client = here:glance()
  local image = client and client:show(line.image_id)
  return image ~= nil and image.status == "active"
end

--- What siphon.copy does first with `resume`: the result of the unfinished job with the same source and target, or of
-- the last one, when it is done and its image is there; nil when there is neither, and the copy is a new one. So it is
-- when the unfinished job had failed, which is undone first.
function jobs.resume_same(request, options)
  local asked = {}
  for key in pairs(OPTIONS) do asked[key] = options[key] end
  local unfinished, done
  local ok, err = with_places(request, function(places, here)
    unfinished = last_of(places, index.live, request, here)
    if unfinished and not index.is_final(unfinished.state) then return true end
    unfinished = nil
    local last = last_of(places, index.history, request, here)
    if last and last.state == "done" and is_there(here, request, last) then done = last end
    return true
  end, connections.open)
  if not ok then return nil, err end
  if unfinished then
    local result, problem, is_undone = jobs.resume(unfinished.id, asked)
    if not is_undone then return result, problem end
  end
  if done then return already_done(done, request.on_event) end
  return nil
end

return jobs
