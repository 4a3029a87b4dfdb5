--- The variables of a session: all of Lua, the module `siphon`, and what saves typing.

local core = require "siphon.core"
local errors = require "siphon.errors"
local help = require "siphon.repl.help"
local siphon = require "siphon"
local spec = require "siphon.spec"

local environment = {}

-- Options that name a cluster: whoever gives one means another connection than the session's.
local CLUSTER_OPTIONS = { "connection", "conf", "cluster", "id", "name", "keyring" }
local CLOUD_OPTIONS = { "glance", "os_cloud", "os_region_name", "os_interface", "os_service_cloud" }

local function names_any(options, names)
  for _, name in ipairs(names) do
    if options[name] ~= nil then return true end
  end
  return false
end

local CONNECT_TIMEOUT = 15 -- seconds: somebody sits there and waits

-- The session's cluster: connected to once, again when that failed.
local function cluster_of(session)
  local held = session.connections
  if not held.cluster then
    local options = { timeout = CONNECT_TIMEOUT }
    for name, value in pairs(session.options.connect or {}) do options[name] = value end
    local cluster, err = core.rados.connect(options)
    if not cluster then return nil, err end
    held.cluster = cluster
    rawset(session.env, "cluster", cluster)
  end
  return held.cluster
end

local function glance_of(session)
  local held = session.connections
  if not held.glance then
    local cloud, err = siphon.clouds.open(session.options.cloud or {})
    if not cloud then return nil, err end
    held.glance, err = siphon.clouds.connect(cloud)
    if not held.glance then return nil, err end
  end
  return held.glance
end

local function pool_of(session, name, namespace)
  local cluster, err = cluster_of(session)
  if not cluster then return nil, err end
  local pools, key = session.connections, name .. "/" .. (namespace or "")
  if not pools[key] then
    local pool, problem = cluster:pool(name, { namespace = namespace })
    if not pool then return nil, problem end
    pools[key] = pool
  end
  return pools[key]
end

-- copy and plan: two strings will do, and events are shown unless somebody else takes them.
local function asked(session, source, target)
  local options = {}
  if type(source) == "table" and getmetatable(source) == nil then
    for name, value in pairs(source) do options[name] = value end
  else
    options.source, options.target = source, target
  end
  if not names_any(options, CLUSTER_OPTIONS) then
    local cluster, err = cluster_of(session)
    if not cluster then return nil, err end
    options.connection = cluster
  end
  if not names_any(options, CLOUD_OPTIONS) then
    for name, value in pairs(session.options.cloud or {}) do options["os_" .. name] = value end
  end
  return options
end

-- The events of a job go where its output goes at that moment: a line that is waited for has bars, one for each copy; a
-- job in the background has lines.
local function events_of(session)
  local job = session.jobs:current()
  return function(event)
    if job.number then return session.front:tell(job, event) end
    if job.sink == nil then job.sink = session.front:sink() or false end
    if job.sink then job.sink(event) end
  end
end

local function copy(session)
  --- copy(source, target) or copy { source = ..., ... }: see siphon.copy.
  return function(source, target)
    local options, err = asked(session, source, target)
    if not options then return nil, err end
    options.on_event = options.on_event or events_of(session)
    return siphon.copy(options)
  end
end

local function plan(session)
  return function(source, target)
    local options, err = asked(session, source, target)
    if not options then return nil, err end
    return siphon.plan(options)
  end
end

-- resume(id) and undo(id), of a job that was cut off: siphon.jobs, with what the session knows of cluster and cloud.
local function take_up(session, what)
  return function(id, options)
    local all = session:caller()
    all.on_event = events_of(session)
    for name, value in pairs(options or {}) do all[name] = value end
    return siphon.jobs[what](id, all)
  end
end

-- image "pool/[namespace/]image[@snapshot]"
local function image(session)
  return function(text, options)
    local place, err = spec.parse(text)
    if not place then return nil, err end
    if place.kind ~= "rbd" then return nil, errors.new("usage", nil, tostring(text) .. " is no RBD image") end
    local pool
    pool, err = pool_of(session, place.pool, place.namespace)
    if not pool then return nil, err end
    local all = { snapshot = place.snapshot }
    for name, value in pairs(options or {}) do all[name] = value end
    return core.rbd.open(pool, place.image, all)
  end
end

local function words_of(...)
  local words = table.pack(...)
  for i = 1, words.n do words[i] = tostring(words[i]) end
  return table.concat(words, "\t")
end

local function image_names(session)
  return function(pool_name, namespace)
    local pool, err = pool_of(session, pool_name, namespace)
    if not pool then return nil, err end
    return core.rbd.list(pool)
  end
end

--- The environment of a session's lines. What is set there stays there; `siphon` is the module with `copy`, `plan`,
-- `resume` and `undo` as a person wants them.
function environment.of(session)
  local own = setmetatable({
    copy = copy(session), plan = plan(session), resume = take_up(session, "resume"), undo = take_up(session, "undo"),
  }, { __index = siphon })
  local env = {
    siphon = own, copy = own.copy, plan = own.plan, resume = own.resume, undo = own.undo, rbd = siphon.rbd,
    rados = siphon.rados, task = siphon.task,
    pool = function(name, namespace) return pool_of(session, name, namespace) end,
    image = image(session),
    images = image_names(session),
    glance = function() return glance_of(session) end,
    connect = function() return cluster_of(session) end,
    spawn = function(fn, ...)
      if type(fn) ~= "function" then errors.misuse("spawn", "a function expected, got " .. type(fn)) end
      return session.jobs:spawn(fn, ...)
    end,
    sleep = siphon.task.sleep,
    print = function(...) session:say(words_of(...)) end,
  }
  env.help = help.of(session, env)
  env._G = env
  -- What a line sets is set here, and not in the globals that siphon itself runs with.
  return setmetatable(env, { __index = function(_, name)
    if name == "cluster" then return (assert(cluster_of(session))) end
    return _G[name]
  end })
end

-- The cloud that is meant, as people call it.
local function cloud_text(session)
  local cloud = siphon.clouds.open(session.options.cloud or {})
  if not cloud then return "no cloud (OS_*, clouds.yaml)" end
  return cloud.keystone and "cloud " .. (cloud.name or cloud.auth.url) or "Glance " .. cloud:endpoint "image"
end

--- Connects, and says to what, or why not.
function environment.greeting(session)
  local cluster, err = cluster_of(session)
  if not cluster then
    return ("siphon %s; no cluster: %s; connect() tries again"):format(core.version, errors.line(err))
  end
  local release = cluster:release()
  return ("siphon %s on %s%s as %s\n%s"):format(core.version, cluster.fsid,
    release and " (" .. release.name .. ")" or "", cluster.name, cloud_text(session))
end

--- Closes what was opened for the session.
function environment.close(session)
  local cluster = session.connections.cluster
  session.connections.cluster, session.connections.glance = nil, nil
  for _, pool in pairs(session.connections) do pool:close() end
  if cluster then cluster:close() end
end

return environment
