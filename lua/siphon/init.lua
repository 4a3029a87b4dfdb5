--- siphon: RBD volumes into Glance images, inside the cluster.
--
--   local siphon = require "siphon"
--   local image, err = siphon.copy { source = "volumes/vm1", target = "glance:golden" }
--
-- The primitives (siphon.task, .rados, .rbd, .http, .error, .version) are the core's; the rest is Lua and is
-- loaded when it is first used, so that a program pays only for what it needs.

local core = require "siphon.core"

local siphon = {
  rados = core.rados, rbd = core.rbd, http = core.http, secret = core.secret, error = core.error,
  version = core.version,
}

-- Modules that are one name here: siphon.spec is require "siphon.spec".
local MODULES = {
  task = "siphon.task", spec = "siphon.spec", units = "siphon.units", json = "siphon.json", facts = "siphon.facts",
  policies = "siphon.policy", routes = "siphon.routes", clouds = "siphon.clouds", glance = "siphon.glance",
  keystone = "siphon.keystone", cinder = "siphon.cinder", jobs = "siphon.jobs", sinks = "siphon.sinks",
  testing = "siphon.testing",
}

-- Functions that live in a module: siphon.copy is require("siphon.copy").copy.
local FUNCTIONS = { copy = "siphon.copy", plan = "siphon.copy", submit = "siphon.queue" }

--- siphon.policy(name) -> table | nil, err
-- The table of a policy, found by name on the policy path or by file, to build another one on it.
function siphon.policy(name)
  local loaded, err = require("siphon.policy").load(name)
  if not loaded then return nil, err end
  return loaded.table
end

return setmetatable(siphon, { __index = function(self, key)
  local value
  if MODULES[key] then
    value = require(MODULES[key])
  elseif FUNCTIONS[key] then
    value = require(FUNCTIONS[key])[key]
  end
  rawset(self, key, value)
  return value
end })
