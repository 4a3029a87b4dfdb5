--- Where a job's record is kept: in RADOS, which every user of siphon runs already, or only in this process.
--
-- A record is plain data under string keys ("job", "step.0001", ...), so that any siphon can go on from it, or undo
-- from it, what another one did. The one in RADOS is the omap of an object siphon.job.ID (see
-- siphon.journal.record); an object siphon.jobs beside it lists the jobs that are not done, and those that were (see
-- siphon.journal.index).
--
-- It lies in the pool and namespace of the job's source, since whoever may take a snapshot there may write there too;
-- for a user who may only read there, in those of its target; or wherever --journal-pool says.

local core = require "siphon.core"
local errors = require "siphon.errors"
local index = require "siphon.journal.index"
local records = require "siphon.journal.record"
local spec = require "siphon.spec"

local journal = {}

-- --- in this process -------------------------------------------------------------------------------------------

local Memory = {}
Memory.__index = Memory

--- A record that lives as long as the process: what --no-journal asks for.
function journal.memory()
  return setmetatable({ entries = {} }, Memory)
end

function Memory:put(key, value)
  self.entries[key] = value
  return true
end

-- --- in RADOS --------------------------------------------------------------------------------------------------

local function refused(err)
  return err:is("EPERM", "EACCES", "EROFS")
end

local function explain(err, pool)
  if not refused(err) then return err end
  return errors.explain(err, ("this user (client.%s) may not keep the job's record in the pool '%s': name another with "
    .. "--journal-pool, or do without a record with --no-journal, and then nobody can take the job over when it is "
    .. "cut off"):format(pool.cluster.id, pool.name))
end

-- The pools that may hold the record of a job, the first choice first.
local function candidates(job)
  local asked = job.request.journal_pool
  if asked then
    local name, namespace = journal.parse_place(asked)
    local pool, err = job.connections:pool(nil, name, namespace)
    if not pool then return nil, err end
    return { pool }
  end
  local list = { job.source.pool }
  local place = job.target.place
  if place and place.pool.cluster.fsid == job.source.pool.cluster.fsid then list[2] = place.pool end
  return list
end

-- What make(pool) gives for the first of the pools that this user may write to, and that pool; or nil and an error.
local function in_first(job, make)
  local pools, err = candidates(job)
  if not pools then return nil, err end
  for _, pool in ipairs(pools) do
    local made, problem = make(pool)
    if made then return made, pool end
    err = err or explain(problem, pool)
    if not refused(problem) then return nil, explain(problem, pool) end
  end
  return nil, err
end

--- Makes the record of a job that is about to begin, with the lease on it: a record, or nil and an error.
function journal.create(job, header)
  local addresses = job.connections:addresses()
  return in_first(job, function(pool) return records.create(pool, job.id, header, addresses) end)
end

--- Puts a job into the queue: the pool where it is and its line there, or nil and an error. job: one that has a
-- request, connections, source and target, as far as they tell where its record may be.
function journal.enqueue(job, id, header)
  local line, pool = in_first(job, function(pool) return records.enqueue(pool, id, header) end)
  if not line then return nil, pool end
  return pool, line
end

--- "pool" or "pool/namespace" -> the two; raises a usage error for anything else.
function journal.parse_place(text)
  local parsed = spec.parse(text .. "/x")
  if not parsed or parsed.kind ~= "rbd" or parsed.image ~= "x" or parsed.snapshot then
    errors.raise("usage", nil, ("'%s' is not a pool for the journal: write POOL, or POOL/NAMESPACE"):format(text))
  end
  return parsed.pool, parsed.namespace
end

-- Whether this user finds a journal there.
local function is_journal(pool)
  local entries = pool:omap_get(index.OBJECT, { max = 1 })
  return entries ~= nil
end

-- Adds the journals in one pool, its namespaces included.
local function look_into(connections, name, found)
  local pool = connections:pool(nil, name)
  if not pool then return end
  if is_journal(pool) then found[#found + 1] = pool end
  for _, namespace in ipairs(core.rbd.namespaces(pool) or {}) do
    local inner = connections:pool(nil, name, namespace)
    if inner and is_journal(inner) then found[#found + 1] = inner end
  end
end

--- The pools of this cluster that hold a journal which this user may read; or the one named by `where`, also when it
-- holds none yet.
function journal.places(connections, where)
  if where then
    local pool, err = connections:pool(nil, journal.parse_place(where))
    if not pool then return nil, err end
    return { pool }
  end
  local pools, err = connections:cluster():pools()
  if not pools then return nil, err end
  local found = {}
  for _, entry in ipairs(pools) do look_into(connections, entry.name, found) end
  return found
end

journal.holder_text = records.holder_text

return journal
