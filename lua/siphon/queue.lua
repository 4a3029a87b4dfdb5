--- The queue: jobs that are put down for whoever has time for them (see siphon.worker). One that waits there is a line
-- in the index of a journal, with its whole request: what runs it needs no more than that.

local connections = require "siphon.connections"
local core = require "siphon.core"
local errors = require "siphon.errors"
local index = require "siphon.journal.index"
local job = require "siphon.job"
local journals = require "siphon.journal"
local plan = require "siphon.plan"
local requests = require "siphon.request"
local sources = require "siphon.source"

local queue = {}

local ATTEMPTS = 3    -- unless the submitter says otherwise
local PRIORITY = 1000 -- the highest, and with a minus the lowest

local OWN = { priority = "integer", not_before = "number", attempts = "integer" }

-- What makes no sense for a job that another process does.
local NOT_QUEUED = { "no_journal", "resume" }

local function usage(message)
  return nil, errors.new("usage", nil, message)
end

local function check_own(own)
  local priority, attempts = own.priority or 0, own.attempts or ATTEMPTS
  if math.abs(priority) > PRIORITY then
    return usage(("--priority is a number from -%d to %d, not %d"):format(PRIORITY, PRIORITY, priority))
  end
  if attempts < 1 then return usage(("--attempts is 1 or more, not %d"):format(attempts)) end
  return { priority = priority, attempts = attempts, not_before = own.not_before, tried = 0 }
end

--- Checks what is to be submitted: options as for siphon.submit. Returns an entry for queue.put, or nil and an error;
-- misuse raises.
function queue.check(options)
  local asked, own = {}, {}
  for key, value in pairs(options) do
    if OWN[key] then own[key] = value else asked[key] = value end
  end
  errors.check_options("siphon.submit", own, OWN)
  local request, err = requests.new(asked, "siphon.submit")
  if not request then return nil, err end
  for _, key in ipairs(NOT_QUEUED) do
    if request[key] then return usage(("--%s does not go with the queue"):format((key:gsub("_", "-")))) end
  end
  local place, problem = check_own(own)
  if not place then return nil, problem end
  local policy, failure = plan.load_policy(request)
  if not policy then return nil, failure end
  place.by = { host = core.system.hostname(), user = core.system.user() }
  return { request = request, record = requests.record(asked), queue = place }
end

--- Whether the entry's source is there: true, or nil and an error.
function queue.check_source(entry, here)
  local source, err = sources.open(here, entry.request.source)
  if not source then return nil, err end
  source:close()
  return true
end

-- Where the record of the entry's job may be, as siphon.journal asks of a job.
local function job_of(entry, here)
  local request = entry.request
  local pool, err = here:pool(nil, request.source.pool, request.source.namespace)
  if not pool then return nil, err end
  local target, namespace = request.pool, nil
  if request.target.kind == "rbd" then target, namespace = request.target.pool, request.target.namespace end
  local place = target and not here.away and here:pool(nil, target, namespace)
  return {
    request = request, connections = here, source = { pool = pool }, target = { place = place and { pool = place } },
  }
end

--- Puts an entry into the queue; returns the id of the job, the pool of its record and its line in the index, or nil
-- and an error.
function queue.put(entry, here)
  local asking, err = job_of(entry, here)
  if not asking then return nil, err end
  local id, pool, line
  repeat -- of the many that are submitted within a second, two may draw the same id
    id = job.new_id()
    pool, line = journals.enqueue(asking, id, {
      version = 1, id = id, state = "queued", source = tostring(entry.request.source),
      target = tostring(entry.request.target), target_fsid = here:target_fsid(entry.request.target),
      image_id = entry.request.image_id, started = core.system.time(), request = entry.record, queue = entry.queue,
    })
  until pool or not line:is "rados.conflict"
  if not pool then return nil, line end
  return id, pool, line
end

--- Tells whoever waits for work that there is some.
function queue.announce(pool)
  -- A worker that does not answer is none of the submitter's trouble: it looks by itself from time to time.
  pool:notify(index.OBJECT, 1)
end

--- siphon.submit(options) -> id | nil, err
-- Puts a copy into the queue, for a worker on any host. options: those of siphon.copy, and
--   priority     from -1000 to 1000 (default: 0); higher ones are taken first
--   not_before   seconds since 1970: it is not begun before
--   attempts     how often it is tried at most, when the error is one that may go away (default: 3)
-- The source has to be there. What the worker needs to find the cluster, the cloud and its policies is its own.
function queue.submit(options)
  local entry, err = queue.check(options)
  if not entry then return nil, err end
  local here <close>, problem = connections.open(entry.request)
  if not here then return nil, problem end
  local ok, failure = queue.check_source(entry, here)
  if not ok then return nil, failure end
  local id, pool = queue.put(entry, here)
  if not id then return nil, pool end
  queue.announce(pool)
  return id
end

return queue
