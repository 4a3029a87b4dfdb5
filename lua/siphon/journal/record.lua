--- The record of one job in RADOS: the omap of the object siphon.job.ID, and a lease on it.
--
--   job         what the job is about: request, decision, state, ...
--   holder      who has it: host, pid, user, the addresses to fence, and after how many who died with it in a row
--   beat        a count that grows while the holder lives
--   step.0001   the job's steps, each with its undo (see siphon.job)
--   story.0001  what else happened, for people
--   cancel      somebody wants it cancelled
--
-- The lease is a lock of class "lock" that runs out by the OSD's clock; its holder renews it three times as often. Who
-- takes a job whose lease ran out bars the former holder's addresses from the cluster, waits until that holds, and only
-- then puts its own name into `holder`.
--
-- Every write is one operation that changes nothing unless `holder` still names the writer. A job writes before each
-- step, so this is where it learns that it was taken over. What remains is the moment between that write and the
-- step's effect: a process that is stopped just there, for longer than its lease, and then goes on. What it sends to
-- the cluster then is refused (ESHUTDOWN): it has been barred since before its successor did anything. What it sends
-- to Glance is not, and there is one such call a step: to create the record whose id the job wrote down before,
-- which is empty, belongs to the same job, and is found under that id when the successor goes on, or is an empty
-- queued record when it undid everything; to register a location, which Glance refuses unless the image is there and
-- which names the same image when it is; to delete or change a record that is the job's own. None of these makes a
-- second image, or one with other data. A scratch file on its own host is the third kind: nobody else looks at it.

local core = require "siphon.core"
local errors = require "siphon.errors"
local index = require "siphon.journal.index"
local json = require "siphon.json"

local record = {}

local LOCK = "siphon.lease"
local LEASE = 20           -- seconds
local FENCE = 3600         -- seconds for which a former holder stays barred: Ceph's own default for dead clients
local LOOK_EVERY = 0.25    -- seconds between two looks at a lease that may run out

local Record = {}
Record.__index = Record

local function object_of(id)
  return "siphon.job." .. id
end

local function lease_seconds()
  local asked = tonumber(os.getenv "SIPHON_LEASE")
  return asked and asked > 0 and asked or LEASE
end

-- Who this process is; its addresses: { fsid, address } for each cluster that it acts on.
local function new_holder(addresses)
  local system = core.system
  return {
    host = system.hostname(), pid = system.pid(), user = system.user(), since = system.time(),
    lease = lease_seconds(), addresses = addresses,
  }
end

--- "host1 (pid 4711, user root)", for people.
function record.holder_text(holder)
  if not holder then return "nobody" end
  return ("%s (pid %d, user %s)"):format(holder.host, holder.pid, holder.user)
end

local function open(pool, id, holder)
  -- Tells apart two attempts by one connection, which must not both have the job.
  holder.cookie = core.system.random(8):gsub(".", function(c) return ("%02x"):format(c:byte()) end)
  return setmetatable({
    pool = pool, id = id, object = object_of(id), holder = holder, held = json.encode(holder), lease = holder.lease,
    beats = 0, waiting = {},
  }, Record)
end

-- Says that it comes after that holder, who died.
local function come_after(self, former)
  self.holder.after = (former.after or 0) + 1
  self.held = json.encode(self.holder)
end

function Record:lock()
  return self.pool:lock(self.object, LOCK, {
    cookie = self.holder.cookie, duration = self.lease, renew = true, description = record.holder_text(self.holder),
  })
end

-- What tells that the lease is not ours any more: the record is another one's, or gone, or we are barred.
local function lost(self, err)
  local now = self.pool:omap_get(self.object, { keys = { "holder" } })
  local holder = now and now.holder and json.decode(now.holder)
  local text = ("job %s was taken over by %s while this process did not renew its lease: nothing more is done here")
    :format(self.id, holder and record.holder_text(holder) or "another one")
  return errors.new("lease.lost", "job.lease", text, { cause = err })
end

local function is_lost(err)
  return err:is("rados.conflict", "ENOENT", "ESHUTDOWN")
end

--- Writes entries { key = plain data }, with what is waiting to be written, if this process still is the holder. Nil
-- and an error of code "lease.lost" when it is not; then it must not do anything more.
function Record:write(entries)
  local values = {}
  for key, value in pairs(self.waiting) do values[key] = json.encode(value) end
  for key, value in pairs(entries) do values[key] = json.encode(value) end
  local ok, err = self.pool:omap_set(self.object, values, { expect = { holder = self.held }, create = "never" })
  if ok then
    self.waiting = {}
    return true
  end
  if is_lost(err) then return nil, lost(self, err) end
  return nil, err
end

--- Writes one entry.
function Record:put(key, value)
  return self:write { [key] = value }
end

--- Writes the entry along with the next one.
function Record:put_later(key, value)
  self.waiting[key] = value
end

--- Renews the lease. A lease that ran out and that nobody took is taken again.
function Record:renew()
  self.beats = self.beats + 1
  -- First the record, which must exist: locking an object makes it.
  local ok, err = self:put("beat", self.beats)
  if ok then ok, err = self:lock() end
  if not ok and err:is("EBUSY", "ESHUTDOWN") then return nil, lost(self, err) end
  return ok, err
end

--- Who asked for the job to be cancelled, or nil.
function Record:cancelled_by()
  local entries = self.pool:omap_get(self.object, { keys = { "cancel" } })
  return entries and entries.cancel and json.decode(entries.cancel)
end

-- It has the request, so that a job whose record was never written can still be begun.
local function line_of(header)
  return {
    state = header.state, source = header.source, target = header.target, target_fsid = header.target_fsid,
    image_id = header.image_id, started = header.started, request = header.request, queue = header.queue,
  }
end

-- Gives the lease back, and keeps the record for others: with this header and these values, without these keys and the
-- holder's. Its line in the index says what the header says. That is a hint for those who look for work, and the header
-- counts: so it is left as it is when somebody was quick to take the job.
local function let_go(self, header, values, remove)
  for key, value in pairs(self.waiting) do values[key] = values[key] or json.encode(value) end
  values.job = json.encode(header)
  table.move({ "holder", "beat" }, 1, 2, #remove + 1, remove)
  local text = index.text(self.pool, self.id)
  local ok, err = self.pool:omap_set(self.object, values,
    { expect = { holder = self.held }, create = "never", remove = remove })
  if ok then ok, err = self.pool:unlock(self.object, LOCK, self.holder.cookie) end
  if ok and text then index.replace(self.pool, self.id, text, line_of(header)) end
  return ok, err
end

--- Gives the lease back, and keeps the record for others.
function Record:release(header)
  return let_go(self, header, {}, {})
end

--- The same for a job that is to begin anew: of its steps (so many) only the story stays.
function Record:put_back(header, story, steps)
  local values, remove = {}, {}
  for i, line in ipairs(story) do values[("story.%04d"):format(i)] = json.encode(line) end
  for i = 1, steps do remove[i] = ("step.%04d"):format(i) end
  return let_go(self, header, values, remove)
end

--- The end of the job: `line` is what is left of it, and `story` how it went.
function Record:finish(line, story)
  local ok, err = self:put("beat", self.beats)
  if ok then ok, err = index.finish(self.pool, self.id, line, story) end
  return ok, err
end

-- --- making and taking -----------------------------------------------------------------------------------------

-- The record itself, with the lease on it; the line in the index is there already.
local function begin(self, header)
  local ok, err = self:lock()
  if not ok then return nil, err end
  return self.pool:omap_set(self.object, { job = json.encode(header), holder = self.held },
    { expect = { holder = "" } })
end

--- Makes the record of a new job and takes the lease on it. The line in the index comes first: a crash in between
-- leaves a job without steps there, and not a record that nobody knows of. Whoever takes over such a job, whose
-- holder nobody knows, changes the line; so the last thing here is to see whether it is still the same.
function record.create(pool, id, header, addresses)
  local self, line = open(pool, id, new_holder(addresses)), line_of(header)
  local ok, err = index.add(pool, id, line)
  if not ok then return nil, err end
  ok, err = begin(self, header)
  if not ok then
    index.drop(pool, id, line)
    return nil, err
  end
  ok, err = index.replace(pool, id, json.encode(line), line)
  if ok then return self end
  -- Somebody took the job over and ended it before this record was written. Nobody else can have this one.
  pool:remove(self.object)
  return nil, err
end

local function decode(entries)
  local found = { steps = {}, story = {}, raw = entries.holder }
  for key, value in pairs(entries) do
    local kind, number = key:match "^(%l+)%.(%d+)$"
    local data = json.decode(value, { drop_null = true })
    if kind == "step" then
      found.steps[tonumber(number)] = data
    elseif kind == "story" then
      found.story[tonumber(number)] = data
    else
      found[key] = data
    end
  end
  return found
end

--- All of a record: { job, holder, beat, cancel, steps, story }; nil and an error of code "ENOENT" when there is none.
function record.read(pool, id)
  local entries, err = pool:omap_get(object_of(id))
  if not entries then return nil, err end
  return decode(entries)
end

--- The parts of it that a list shows.
function record.glance(pool, id)
  local entries, err = pool:omap_get(object_of(id), { keys = { "job", "holder", "cancel" } })
  if not entries then return nil, err end
  return decode(entries)
end

--- Whether somebody has the lease.
function record.is_held(pool, id)
  local lockers, err = pool:lockers(object_of(id), LOCK)
  if not lockers then return nil, err end
  return #lockers > 0
end

local function held_by(id, holder)
  return errors.new("job.held", "job.lease", ("job %s is being run by %s"):format(id, record.holder_text(holder)),
    { retryable = true })
end

-- Waits for the lease: at once when it is free, else until it runs out, or until its holder shows that it lives.
local function acquire(self, options)
  local deadline, beat
  while true do
    local ok, err = self:lock()
    if ok then return true end
    if not err:is "EBUSY" then return nil, err end
    local there = record.read(self.pool, self.id) or {}
    if not deadline then
      if options.no_wait then return nil, held_by(self.id, there.holder) end
      beat, deadline = there.beat, core.task.now() + (there.holder and there.holder.lease or LEASE) + 5
      if options.on_wait then options.on_wait(there.holder) end
    elseif there.beat ~= beat or core.task.now() > deadline then
      return nil, held_by(self.id, there.holder)
    end
    core.task.sleep(LOOK_EVERY)
  end
end

-- Bars a former holder from every cluster that it acted on. Not this very connection, which a program may share.
local function fence(holder, connections)
  local own = {}
  for _, at in ipairs(connections:addresses()) do own[at.address] = true end
  for _, at in ipairs(holder.addresses or {}) do
    if not own[at.address] then
      local cluster, err = connections:cluster(at.fsid)
      if not cluster then return nil, err end
      local ok, problem = cluster:blocklist(at.address, FENCE)
      if not ok then
        return nil, errors.explain(problem, ("cannot bar the former holder, %s, from the cluster, and without that it "
          .. "might still act: %s"):format(record.holder_text(holder), problem.message))
      end
    end
  end
  return true
end

-- Why the record cannot be had: when it is not there, somebody ended the job after the lease was taken.
local function out_of_reach(self, err)
  return err:is "ENOENT" and index.over(self.id) or err
end

-- Makes this process the holder, in place of the one that the record names. What the record says is read after that:
-- before it was barred, the former holder may still have written.
local function succeed(self, connections)
  local former, err = record.glance(self.pool, self.id)
  if not former then return nil, out_of_reach(self, err) end
  local ok, problem
  if former.holder then
    come_after(self, former.holder)
    ok, problem = fence(former.holder, connections)
  else
    ok, problem = index.claim(self.pool, self.id)
  end
  if not ok then return nil, problem end
  ok, problem = self.pool:omap_set(self.object, { holder = self.held },
    { expect = { holder = former.raw or "" }, create = "never" })
  if not ok then return nil, out_of_reach(self, problem) end
  local there, failure = record.read(self.pool, self.id)
  if not there then return nil, out_of_reach(self, failure) end
  there.holder = former.holder
  return there
end

--- Takes over a job whose lease ran out or was given back. options: no_wait: fail at once when it is held;
-- on_wait(holder): called when the lease has to run out first. Returns the record and what it holds (as record.read
-- gives it, `holder` being the former one); or nil and an error of code "job.held".
function record.take(pool, id, connections, options)
  local self = open(pool, id, new_holder(connections:addresses()))
  local ok, err = acquire(self, options or {})
  if not ok then return nil, err end
  local there, problem = succeed(self, connections)
  if not there then
    -- Taking the lock made the object, when the job was over meanwhile.
    if problem:is "job.over" then pool:remove(self.object) else pool:unlock(self.object, LOCK, self.holder.cookie) end
    return nil, problem
  end
  return self, there
end

--- Puts a job that was not begun into the queue: a line in the index, with all that it takes to begin it. header: as
-- that of a record, in state "queued". Returns the line.
function record.enqueue(pool, id, header)
  local line = line_of(header)
  local ok, err = index.add(pool, id, line)
  return ok and line or nil, err
end

--- Asks the holder to cancel the job.
function record.ask_to_cancel(pool, id)
  local by = new_holder {}
  return pool:omap_set(object_of(id), { cancel = json.encode { host = by.host, pid = by.pid, user = by.user } },
    { create = "never" })
end

return record
