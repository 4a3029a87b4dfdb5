--- Names out of the cluster, for completion: pools, images, snapshots, jobs. Asked for within a bound, kept for a
-- while, and never an error: what cannot be had is no candidate. Nothing is opened for writing.

local core = require "siphon.core"

local names = {}

local PATIENCE = tonumber(os.getenv "SIPHON_PATIENCE") or 1.5 -- seconds that a Tab may take (docs/completion)
local FRESH = 15 -- seconds that an answer serves
local MOST = 500

local Names = {}
Names.__index = Names

function names.new(session)
  return setmetatable({ session = session, kept = {} }, Names)
end

-- What fn returns, a list, from the last time if that is less than `fresh` seconds ago.
local function recall(self, key, fn, fresh)
  local kept = self.kept[key]
  if kept and core.task.now() - kept.at < (fresh or FRESH) then return kept.list end
  local ok, list = pcall(core.task.timeout, PATIENCE, fn)
  if not ok or not list then return kept and kept.list or {} end
  if type(list[1]) == "string" then table.sort(list) end
  list = table.move(list, 1, math.min(#list, MOST), 1, {})
  self.kept[key] = { list = list, at = core.task.now() }
  return list
end

local function names_of(records)
  local list = {}
  for i, record in ipairs(records or {}) do list[i] = record.name end
  return list
end

--- The pools. No cluster is connected to for that.
function Names:pools()
  local cluster = self.session.connections.cluster
  if not cluster then return {} end
  return recall(self, "pools", function() return names_of(cluster:pools()) end)
end

--- The images of a pool, with its namespaces as "name/".
function Names:images(pool_name, namespace)
  local cluster = self.session.connections.cluster
  if not cluster then return {} end
  return recall(self, pool_name .. "/" .. (namespace or ""), function()
    local pool <close> = assert(cluster:pool(pool_name, { namespace = namespace }))
    local list = names_of(core.rbd.list(pool))
    for _, name in ipairs(not namespace and core.rbd.namespaces(pool) or {}) do list[#list + 1] = name .. "/" end
    return list
  end)
end

--- The snapshots of an image.
function Names:snapshots(pool_name, namespace, image_name)
  local cluster = self.session.connections.cluster
  if not cluster then return {} end
  local key = ("%s/%s/%s@"):format(pool_name, namespace or "", image_name)
  return recall(self, key, function()
    local pool <close> = assert(cluster:pool(pool_name, { namespace = namespace }))
    local image <close> = assert(core.rbd.open(pool, image_name))
    return names_of(image:snapshots())
  end)
end

--- The jobs of the cluster that are not over, as siphon.jobs.list gives them; `fresh`: seconds that an answer serves.
function Names:jobs(fresh)
  local cluster = self.session.connections.cluster
  if not cluster then return {} end
  return recall(self, "jobs of the journal", function()
    return require("siphon.jobs").list { connection = cluster }
  end, fresh)
end

--- What a half-written spec "pool/[namespace/]image[@snapshot]" can become: whole specs.
function Names:specs(text)
  local head, pool, rest = text:match "^(([^/@]+)/)(.*)$"
  local list = {}
  if not head then
    for i, name in ipairs(self:pools()) do list[i] = name .. "/" end
    return list
  end
  local place = rest:match "^([^@]*)@"
  local namespace, inner = (place or rest):match "^([^/]+)/(.*)$"
  if place then
    local image = inner or place
    for i, name in ipairs(self:snapshots(pool, namespace, image)) do list[i] = head .. place .. "@" .. name end
    return list
  end
  local before = namespace and head .. namespace .. "/" or head
  for i, name in ipairs(self:images(pool, namespace)) do list[i] = before .. name end
  return list
end

return names
