--- A copy as a plain RBD image, `pool/[namespace/]image`: no snapshot stays on it, nobody else is told of it.
--
-- It is made under the name siphon-<job id> and gets its own name at the end: whoever sees the name sees a
-- complete image, and what a crash leaves behind says whose it is.

local core = require "siphon.core"
local errors = require "siphon.errors"
local lists = require "siphon.lists"
local place = require "siphon.target.place"
local renaming = require "siphon.renaming"
local specs = require "siphon.spec"

local Target = {}
Target.__index = Target
Target.kind = "rbd"

local rbd = {}

local function same_image(request, source, fsid)
  return source.fsid == fsid and specs.same_image(request.target, source.spec)
end

function rbd.open(connections, request, source)
  local spec = request.target
  local pool, err = connections:pool(connections:target_fsid(spec), spec.pool, spec.namespace)
  if not pool then return nil, err end
  local self = setmetatable({
    place = place.new(pool, "siphon-" .. request.job_id), name = spec.image,
    fsid = pool.cluster.fsid, fsid_from = "cluster", pool_name = pool.name, pool_from = "asked",
    namespace = spec.namespace, image_name = spec.image, spec = spec,
  }, Target)
  if same_image(request, source, self.fsid) then
    return nil, errors.new("target.is_source", nil, ("'%s' cannot be copied to itself: name another target")
      :format(tostring(spec)), { where = { pool = spec.pool, image = spec.image } })
  end
  return self
end

function Target.order(_, source) return source.info.order end

function Target:writable() return self.place:writable() end
function Target:quota() return self.place:quota() end
function Target:free() return self.place:free() end
function Target:erasure_coded() return self.place:erasure_coded() end

-- RADOS namespaces need no making, RBD's do.
local function has_namespace(pool, wanted)
  return lists.has(assert(core.rbd.namespaces(pool)), wanted)
end

function Target:check(facts)
  if self.namespace and not has_namespace(self.place.pool, self.namespace) then
    local text = ("there is no namespace '%s' in the pool '%s' (`rbd namespace create` makes one)"):format(
      self.namespace, self.pool_name)
    return nil, errors.new("ENOENT", "rbd.create", text, {
      where = { pool = self.pool_name, namespace = self.namespace },
    })
  end
  local vacant, err = self.place:is_vacant(self.name)
  if not vacant then return nil, err end
  return self.place:check(facts)
end

function Target:steps()
  return {
    before = {},
    after = { "compare the sizes", ("give it its name, %s"):format(tostring(self.spec)) },
  }
end

function Target.prepare() end

--- Nothing: a plain copy is left without snapshots.
function Target.seal() end

--- The copy has the size of the source's snapshot, no parent and no metadata.
function Target:verify(job)
  job:step("target.verify", { detail = "sizes compared", again = true, act = function()
    self.place:expect_copy_of(job.snapshot, nil, job.parent)
  end })
end

--- Gives the image its name. Refused when somebody took the name meanwhile.
function Target:register(job)
  local pool, working = self.place.pool, self.place.name
  -- A job that is taken up again may find the image renamed already: its id is on record then.
  job:step("target.publish", {
    detail = ("%s is in place"):format(tostring(self.spec)),
    undo = { "rename_image", self.place:data {
      image_id = renaming.id_of(pool, working), image = self.name, former = working,
    } },
    untouched = { "EEXIST" },
    holds = { "target.create", "target.clone", "target.deep_copy" },
    again = true,
    found = function(data)
      renaming.mend(pool, data.image_id, self.name, working)
      return renaming.id_of(pool, self.name) == data.image_id or nil
    end,
    act = function() return renaming.rename(pool, working, self.name) end,
  })
  self.place = place.new(pool, self.name) -- where a route's `finish` finds it
end

function Target.result() return {} end

return rbd
