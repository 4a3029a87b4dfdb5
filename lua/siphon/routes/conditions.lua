--- What routes ask of the facts, each under a name, so that all of them refuse in the same words.
--
--   applies = function(facts) return conditions.check(facts, "same_cluster", "writable", "raw") end

local lists = require "siphon.lists"

local conditions = {}

-- Each returns nothing when it holds; else the reason, and an error code where one says more than
-- "policy.no_route".
local all = {}

-- Glance may keep it to itself which pool its images lie in.
local function no_pool(facts)
  if facts.target.pool then return nil end
  return facts.target.pool_problem or "the target's pool is not known", "glance.pool"
end

--- Source and target have the same fsid.
function all.same_cluster(facts)
  local reason, code = no_pool(facts)
  if reason then return reason, code end
  if not facts.same_cluster then return "the target is in another cluster" end
end

--- This host has a connection to the target's cluster, the source's or another one.
function all.reachable(facts)
  local reason, code = no_pool(facts)
  if reason then return reason, code end
  if not facts.target.reachable then
    return "the target is in another cluster, whose ceph.conf is not given (--target-conf)"
  end
end

--- This user may write to the target's pool.
function all.writable(facts)
  if facts.target.writable then return nil end
  local text = "this user (%s) may not write to the pool '%s': give it the osd capability 'profile rbd pool=%s'"
  local pool = facts.target.pool
  return text:format(facts.target.user or "client.?", pool, pool), "EPERM"
end

--- The bytes of the image are those of the volume.
function all.raw(facts)
  if facts.image.disk_format ~= "raw" then return "it makes raw images only" end
end

--- A clone of the source can be made.
function all.layering(facts)
  if not lists.has(facts.source.features, "layering") then return "the source lacks the feature layering" end
end

--- Its data is where its header says.
function all.settled(facts)
  if facts.source.migrating then return "the source is being migrated" end
end

--- ceph-mgr takes tasks of this user.
function all.mgr_tasks(facts)
  if facts.ceph.mgr_tasks then return nil end
  return "ceph-mgr takes no rbd tasks from this user (it needs the mgr capability 'profile rbd')"
end

function all.to_glance(facts)
  if facts.target.kind ~= "glance" then return "it makes Glance images only" end
end

function all.to_rbd(facts)
  if facts.target.kind ~= "rbd" then return "it makes RBD images only" end
end

--- true, or false, the reason and perhaps an error code for the first of these conditions that does not hold.
function conditions.check(facts, ...)
  for _, name in ipairs { ... } do
    local reason, code = all[name](facts)
    if reason then return false, reason, code end
  end
  return true
end

return conditions
