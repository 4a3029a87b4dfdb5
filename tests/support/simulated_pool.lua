-- A pool that exists only here, with the semantics of RADOS that the journal stands on: an omap whose changes are atomic
-- and conditional, locks that run out by the world's clock, and clients that can be barred. Several clients share a world;
-- before each operation of any of them `world.turn` is called with the client's name, and may wait.

local core = require "siphon.core"

local simulated = {}

--- A world without objects. turn: function(client).
function simulated.world(turn)
  return { now = 0, objects = {}, barred = {}, turn = turn or function() end }
end

local Pool = {}
Pool.__index = Pool

local Cluster = {}
Cluster.__index = Cluster

local function refuse(code)
  return nil, core.error { code = code, message = code }
end

-- Waits for its turn; false when the client is barred by then.
local function enter(self)
  self.world.turn(self.client)
  return not self.world.barred[self.client]
end

--- A client of the world, as a pool.
function simulated.pool(world, client)
  local cluster = setmetatable({ world = world, client = client, fsid = "fsid", id = client, address = client }, Cluster)
  return setmetatable({ world = world, client = client, cluster = cluster, name = "pool", namespace = "" }, Pool)
end

--- What siphon.connections gives of it.
function simulated.connections(pool)
  return {
    addresses = function() return { { fsid = "fsid", address = pool.client } } end,
    cluster = function() return pool.cluster end,
  }
end

function Cluster:blocklist(address)
  if not enter(self) then return refuse "ESHUTDOWN" end
  self.world.barred[address] = true
  return true
end

local function object_of(self, name, make)
  local object = self.world.objects[name]
  if not object and make then
    object = { omap = {}, locks = {} }
    self.world.objects[name] = object
  end
  return object
end

function Pool:omap_get(name, options)
  if not enter(self) then return refuse "ESHUTDOWN" end
  local object = object_of(self, name)
  if not object then return refuse "ENOENT" end
  local wanted, found = {}, {}
  for _, key in ipairs(options and options.keys or {}) do wanted[key] = true end
  for key, value in pairs(object.omap) do
    local fits = not (options and options.keys) or wanted[key]
    local prefix = options and options.prefix
    if fits and (not prefix or key:sub(1, #prefix) == prefix) then found[key] = value end
  end
  return found
end

function Pool:omap_set(name, values, options)
  options = options or {}
  if not enter(self) then return refuse "ESHUTDOWN" end
  local object = object_of(self, name)
  if not object and options.create == "never" then return refuse "ENOENT" end
  for key, value in pairs(options.expect or {}) do
    if (object and object.omap[key] or "") ~= value then return refuse "rados.conflict" end
  end
  object = object_of(self, name, true)
  for _, key in ipairs(options.remove or {}) do object.omap[key] = nil end
  for key, value in pairs(values) do object.omap[key] = value end
  return true
end

function Pool:omap_remove(name, keys, options)
  return self:omap_set(name, {}, { remove = keys, create = "never", expect = options and options.expect })
end

local function holder_of(self, object, lock)
  local held = object and object.locks[lock]
  return held and held.till > self.world.now and held or nil
end

function Pool:lock(name, lock, options)
  if not enter(self) then return refuse "ESHUTDOWN" end
  local object = object_of(self, name, true)
  local held = holder_of(self, object, lock)
  if held and (held.client ~= self.client or held.cookie ~= options.cookie) then return refuse "EBUSY" end
  object.locks[lock] = { client = self.client, cookie = options.cookie, till = self.world.now + options.duration }
  return true
end

function Pool:unlock(name, lock, cookie)
  if not enter(self) then return refuse "ESHUTDOWN" end
  local object = object_of(self, name)
  local held = holder_of(self, object, lock)
  if not held or held.client ~= self.client or held.cookie ~= cookie then return refuse "ENOENT" end
  object.locks[lock] = nil
  return true
end

function Pool:lockers(name, lock)
  if not enter(self) then return refuse "ESHUTDOWN" end
  local held = holder_of(self, object_of(self, name), lock)
  return held and { { client = held.client } } or {}
end

function Pool:object_stat(name)
  if not enter(self) then return refuse "ESHUTDOWN" end
  if not object_of(self, name) then return refuse "ENOENT" end
  return { size = 0, mtime = self.world.now }
end

-- A word never comes.
function Pool.watch() return nil end

function Pool:remove(name)
  if not enter(self) then return refuse "ESHUTDOWN" end
  if not object_of(self, name) then return refuse "ENOENT" end
  self.world.objects[name] = nil
  return true
end

return simulated
