--- A worker: takes jobs from the queue, and those that others abandoned, and does them, several at once. On any number
-- of hosts: who has the lease on a job's record has the job, so each is done once.
--
-- It is woken by whoever submits (pool:notify on the index of a journal), and looks by itself from time to time, since
-- a word may be lost, a job's time comes, and an abandoned one says nothing. Each job has a connection of its own: when
-- the job is taken over, it is that connection which is barred from the cluster, and no other job suffers.

local connections = require "siphon.connections"
local core = require "siphon.core"
local errors = require "siphon.errors"
local index = require "siphon.journal.index"
local jobs = require "siphon.jobs"
local journals = require "siphon.journal"
local turns = require "siphon.turns"

local task = core.task

local worker = {}

local POLL = 10        -- seconds between two looks, unless told otherwise
local GRACE = 2        -- seconds for which a job has to look abandoned: one that begins does so for a moment
local DEATHS = 5       -- of those who had a job, one after the other, after which it is left alone
local FIRST_REST, LONGEST_REST = 1, 300 -- seconds before another look at a job that could not be taken up

local OPTIONS = {
  concurrency = "integer", per_pool = "integer", once = "boolean", poll = "number", max_rate = "integer",
  max_in_flight = "integer", only = "table", caller = "table", sink = "function", ended = "function", say = "function",
  ready = "function", looked = "function",
}

local Worker = {}
Worker.__index = Worker

--- Connects: a worker, or nil and an error. options:
--   caller         the Ceph connection, the cloud and journal_pool, as for siphon.jobs
--   concurrency    jobs at once (default: 1); per_pool: of those, with one source pool
--   max_rate       bytes a second of all jobs together; each gets its share
--   max_in_flight  objects at once of each job
--   poll           seconds between two looks (default: 10)
--   once           end when there is nothing to do just now
--   only           { [id] = true }: these jobs and no others; end when all of them are over, failed or left alone
--   sink           function(id): makes the function that gets the events of that job
--   say            function(text), for the log
--   ready          function(): it can take jobs from now on
--   looked         function(live): it looked at the queue just now; live: { [id] = state as far as it knows } of those
--                  that are not over; "failed" also of one that it leaves alone
function worker.new(options)
  errors.check_options("siphon.worker", options, OPTIONS)
  local here, err = connections.home(options.caller)
  if not here then return nil, err end
  return setmetatable({
    options = options, here = here, concurrency = options.concurrency or 1, poll = options.poll or POLL,
    running = {}, count = 0, turns = turns.new(), rests = {}, suspects = {}, left = {}, listeners = {}, look_again = 0,
  }, Worker)
end

function Worker:say(text, ...)
  if self.options.say then self.options.say(text:format(...)) end
end

--- Has it look at the queue now. From anywhere, also from where one cannot wait.
function Worker:wake()
  self.woken = true
  if self.sleeper then self.sleeper:cancel() end
end

--- Has it take no more jobs, and end when those that run are over.
function Worker:stop()
  self.stopping = true
  self:wake()
end

--- Has it end soon: what runs is undone, and goes back into the queue.
function Worker:abort()
  self:stop()
  for _, entry in pairs(self.running) do entry.task:cancel() end
end

--- Has it call fn in its own task, before it looks at the queue again.
function Worker:later(fn)
  self.wish = fn
  self:wake()
end

local function nap(self, seconds)
  if not self.woken then
    self.sleeper = task.spawn(task.sleep, math.max(0, seconds))
    pcall(self.sleeper.join, self.sleeper)
    self.sleeper = nil
  end
  self.woken = false
  task.checkpoint() -- where the worker itself was cancelled
end

-- --- listening -------------------------------------------------------------------------------------------------

local function listen(self, pool, watch)
  local own <close> = watch
  while own:wait() ~= nil do self:wake() end
  self.listeners[pool] = nil
end

-- Before the first look, so that no word is missed. A user who may not watch there still looks from time to time.
local function listen_everywhere(self, places)
  for _, pool in ipairs(places) do
    local watch = not self.listeners[pool] and pool:watch(index.OBJECT)
    if watch then self.listeners[pool] = task.spawn(listen, self, pool, watch) end
  end
end

-- --- looking ---------------------------------------------------------------------------------------------------

-- Leaves a job alone that kills whoever takes it, or seems to. A person may go on with it, or undo it.
local function leave(self, id, died)
  if self.left[id] then return end
  self.left[id] = true
  self:say("%s: %d processes died with it, one after the other: it is left alone; see `siphon job %s`", id, died, id)
end

-- Whether a job that is on record as running is nobody's, by two looks at it; and its queue.
local function is_abandoned(self, pool, line)
  local state, queue, died = jobs.look(pool, line)
  if state == "queued" then return true, queue end -- the line is behind
  if state ~= "abandoned" then
    self.suspects[line.id], self.left[line.id] = nil, state == "failed" or nil -- the line may be behind here too
    return false
  end
  if died >= DEATHS then
    leave(self, line.id, died)
    return false
  end
  local since = self.suspects[line.id] or task.now()
  self.suspects[line.id] = since
  if task.now() - since < GRACE then
    self.soon = math.min(self.soon, since + GRACE)
    return false
  end
  return true, queue
end

-- The job of that line, when it may be begun now.
local function candidate(self, pool, line)
  local id = line.id
  if self.running[id] or index.is_final(line.state) or line.state == "failed" then return nil end
  local rest, queue = self.rests[id], line.queue
  if rest and rest.till > task.now() then
    self.due = math.min(self.due, rest.till)
    return nil
  end
  if line.state ~= "queued" then
    if not self.looks_hard then return nil end
    local abandoned, on_record = is_abandoned(self, pool, line)
    if not abandoned then return nil end
    queue = on_record
  end
  local wait = (queue and queue.not_before or 0) - core.system.time()
  if wait > 0 then
    self.due = math.min(self.due, task.now() + wait)
    return nil
  end
  return turns.entry(pool, line, queue)
end

-- Every job that may be begun now. self.due becomes the time of the next one that may be later, and self.soon that of
-- one that is about to.
local function look(self)
  self.due, self.soon = math.huge, math.huge
  self.looks_hard = task.now() >= self.look_again or self.options.once and self.count == 0
  local places = assert(journals.places(self.here, self.options.caller.journal_pool))
  listen_everywhere(self, places)
  local found, live, only = {}, {}, self.options.only
  for _, pool in ipairs(places) do
    for _, line in ipairs(assert(index.live(pool))) do
      if not only or only[line.id] then
        found[#found + 1] = candidate(self, pool, line)
        if not index.is_final(line.state) then live[line.id] = self.left[line.id] and "failed" or line.state end
      end
    end
  end
  if self.looks_hard then self.look_again = math.min(task.now() + self.poll, self.soon) end
  return found, live
end

-- --- working ---------------------------------------------------------------------------------------------------

-- Whatever these say, the job is somebody else's, or over.
local TAKEN = { "job.held", "job.over", "rados.conflict", "lease.lost" }

local function caller_of(self, id)
  local asked = {}
  for key, value in pairs(self.options.caller) do asked[key] = value end
  local rate = self.options.max_rate
  asked.max_rate = rate and math.max(1, rate // self.concurrency)
  asked.max_in_flight = self.options.max_in_flight
  asked.on_event = self.options.sink and self.options.sink(id)
  return asked
end

-- Lets a job alone for a while that could not be taken up, or failed: twice as long each time.
local function rest(self, id, is_taken)
  local times = is_taken and 0 or (self.rests[id] and self.rests[id].times or 0) + 1
  self.rests[id] = { times = times, till = task.now() + math.min(LONGEST_REST, FIRST_REST * 2 ^ times) }
end

local function work(self, entry)
  local id = entry.id
  local ok, result, err = pcall(jobs.work, entry.pool, entry.line, caller_of(self, id))
  if not ok then err = errors.handler(result) end
  self.running[id], self.count = nil, self.count - 1
  self.suspects[id] = nil
  local taken = err and err:is(table.unpack(TAKEN)) or false
  if err then rest(self, id, taken) end
  if err and not taken then self:say("%s: %s", id, errors.line(err)) end
  self:wake()
end

local function begin(self, entry)
  self.running[entry.id], self.count = entry, self.count + 1
  self.turns:took(entry)
  entry.task = task.spawn(work, self, entry)
end

-- Begins what may be begun; returns what `once` and `only` ask: whether there is nothing left to wait for.
local function fill(self)
  local found, live = look(self)
  local limits = { per_pool = self.options.per_pool }
  while self.count < self.concurrency do
    local entry = self.turns:next(found, self.running, limits)
    if not entry then break end
    begin(self, entry)
  end
  if self.options.looked then self.options.looked(live) end
  if self.count > 0 then return false end
  if self.options.only then
    for _, state in pairs(live) do
      if state ~= "failed" then return false end
    end
    return true
  end
  return self.options.once and self.soon == math.huge
end

local function run(self)
  local told
  while true do
    if self.wish then
      local wish = self.wish
      self.wish = nil
      wish()
    end
    local over = self.stopping
    if not self.stopping then
      local ok, result = xpcall(fill, errors.handler, self)
      if ok then
        over = result
        if not told and self.options.ready then self.options.ready() end
        told = true
      elseif not told or result:is("ESHUTDOWN", "cancelled", "lua.error", "misuse") then
        error(result, 0)
      else
        self:say("cannot look at the queue: %s", errors.line(result))
        self.due, self.soon, self.look_again = math.huge, math.huge, task.now() + self.poll
      end
    end
    if over and self.count == 0 then return end
    local next_look = math.min(self.due or math.huge, self.look_again, self.soon or math.huge)
    nap(self, self.stopping and self.poll or math.min(self.poll, next_look - task.now()))
  end
end

--- Works until it is stopped, or there is nothing left to do where it was told so; nil, or raises when it cannot.
-- When the calling task is cancelled, what runs is undone and goes back into the queue.
function Worker:run()
  task.scope(function()
    local ok, err = xpcall(run, errors.handler, self)
    for _, listener in pairs(self.listeners) do listener:cancel() end
    if not ok then error(err, 0) end
  end)
end

--- How many jobs run.
function Worker:busy() return self.count end

--- Closes its connection.
function Worker:close() self.here:close() end

Worker.__close = Worker.close

return worker
