--- What a job is connected to: Ceph clusters by their fsid, pools in them, and Glance. Everything is opened
-- at most once and closed together. An undo finds its way through the same object, from plain data alone.

local core = require "siphon.core"
local errors = require "siphon.errors"
local nearest = require "siphon.nearest"

local connections = {}

local Connections = {}
Connections.__index = Connections

local CONNECT_TIMEOUT = 30 -- seconds, unless the whole job has less

-- Below what the whole job has, so that a cluster out of reach is called that and not a job that took too long.
local function connect_timeout(whole)
  if not whole then return CONNECT_TIMEOUT end
  return math.max(1, math.min(CONNECT_TIMEOUT, math.floor(whole) - 1))
end

--- Connects to the cluster of the source. request: conf, cluster, id, name, keyring, timeout as siphon.copy
-- takes them, or an open `connection` that stays its owner's; and with target_conf, target_id or target_keyring to
-- that of the target.
function connections.open(request)
  local self = setmetatable({ clusters = {}, pools = {}, owned = {}, request = request }, Connections)
  local cluster = request.connection
  if not cluster then
    local err
    cluster, err = core.rados.connect {
      conf = request.conf, cluster = request.cluster, id = request.id, name = request.name,
      keyring = request.keyring, timeout = connect_timeout(request.timeout),
    }
    if not cluster then return nil, err end
    self.owned[#self.owned + 1] = cluster
  end
  self.home = cluster
  self.clusters[cluster.fsid] = cluster
  local ok, err = self:open_away()
  if not ok then
    self:close()
    return nil, err
  end
  return self
end

--- The same to the source's cluster alone, whatever the options say of the target's.
function connections.home(options)
  return connections.open {
    connection = options.connection, conf = options.conf, cluster = options.cluster, id = options.id,
    name = options.name, keyring = options.keyring,
  }
end

-- The target's cluster, when it is another one than the source's: `away`.
function Connections:open_away()
  local request = self.request
  if not (request.target_conf or request.target_id or request.target_keyring) then return true end
  local cluster, err = core.rados.connect {
    conf = request.target_conf, id = request.target_id, keyring = request.target_keyring,
    timeout = connect_timeout(request.timeout),
  }
  if not cluster then return nil, errors.explain(err, "the target's cluster: " .. err.message) end
  self.owned[#self.owned + 1] = cluster
  if cluster.fsid ~= self.home.fsid then self.away, self.clusters[cluster.fsid] = cluster, cluster end
  return true
end

--- The fsid of the cluster that a target (see siphon.spec) is in; nil when that is the source's.
function Connections:target_fsid(target)
  local fsid = target.fsid or self.away and self.away.fsid
  return fsid ~= self.home.fsid and fsid or nil
end

--- Whether there is a connection to the cluster of that fsid.
function Connections:knows(fsid)
  return fsid ~= nil and self.clusters[fsid] ~= nil
end

--- The cluster of that fsid (default: the source's), or nil and an error of code "cluster.unknown".
function Connections:cluster(fsid)
  local cluster = fsid and self.clusters[fsid] or not fsid and self.home
  if cluster then return cluster end
  local text = ("no connection to the cluster %s: this one is %s"):format(fsid, self.home.fsid)
  return nil, errors.new("cluster.unknown", nil, text, { where = { cluster = fsid } })
end

--- How blocklists name this process: { { fsid, address }, ... }, one for each cluster.
function Connections:addresses()
  local list = {}
  for fsid, cluster in pairs(self.clusters) do list[#list + 1] = { fsid = fsid, address = cluster.address } end
  return list
end

local function no_pool(cluster, name, err)
  if not err:is("ENOENT") then return err end
  local names = {}
  for i, pool in ipairs(cluster:pools() or {}) do names[i] = pool.name end
  return errors.new("ENOENT", "rados.pool", ("there is no pool '%s' in this cluster%s"):format(name,
    nearest.choices(name, names)), { where = { pool = name }, cause = err })
end

--- The pool of that name and namespace ("" or nil: none), opened once.
function Connections:pool(fsid, name, namespace)
  local cluster, err = self:cluster(fsid)
  if not cluster then return nil, err end
  local key = ("%s/%s/%s"):format(cluster.fsid, name, namespace or "")
  if not self.pools[key] then
    local pool, problem = cluster:pool(name, { namespace = namespace })
    if not pool then return nil, no_pool(cluster, name, problem) end
    self.pools[key] = pool
  end
  return self.pools[key]
end

--- The cloud that is meant (see siphon.clouds), opened when first asked for.
function Connections:cloud()
  if not self.opened_cloud then
    local request = self.request
    local cloud, err = require("siphon.clouds").open {
      cloud = request.os_cloud, region_name = request.os_region_name, interface = request.os_interface,
      service_cloud = request.os_service_cloud,
    }
    if not cloud then return nil, err end
    self.opened_cloud = cloud
  end
  return self.opened_cloud
end

--- The Glance client: the one given by the caller, or made when first asked for from that cloud.
function Connections:glance()
  if not self.client then
    local client = self.request.glance
    if not client then
      local cloud, err = self:cloud()
      if not cloud then return nil, err end
      client, err = require("siphon.clouds").connect(cloud)
      if not client then return nil, err end
    end
    self.client = client
  end
  return self.client
end

--- Closes what was opened here. Never fails; safe to call twice.
function Connections:close()
  core.task.shield(function()
    for _, pool in pairs(self.pools) do pool:close() end
    for _, cluster in ipairs(self.owned) do cluster:close() end
  end)
  self.pools, self.owned, self.clusters, self.away = {}, {}, {}, nil
end

Connections.__close = Connections.close

return connections
