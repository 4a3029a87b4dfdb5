--- siphon doctor: looks at everything that a copy will need, by trying it, and says what to do about what does not
-- work.
--
-- A finding: { area, what, state = "ok" | "warning" | "problem" | "skipped", text, advice, code }. A warning is
-- something that siphon works without, or that works in a lesser way.

local core = require "siphon.core"
local errors = require "siphon.errors"

local doctor = {}

local Findings = {}
Findings.__index = Findings

local PATIENCE = 20 -- seconds for one look

function Findings:add(area, what, state, text, advice, err)
  self.list[#self.list + 1] = {
    area = area, what = what, state = state, text = text, advice = advice, code = errors.is(err) and err.code or nil,
  }
end

function Findings:ok(area, what, text) self:add(area, what, "ok", text) end
function Findings:skip(area, what, text) self:add(area, what, "skipped", text) end
function Findings:warn(area, what, text, advice, err) self:add(area, what, "warning", text, advice, err) end
function Findings:problem(area, what, text, advice, err) self:add(area, what, "problem", text, advice, err) end

--- Calls fn(...) within a bound; what it returns, or nil and an error also where it raises.
function doctor.try(fn, ...)
  local results = table.pack(pcall(core.task.timeout, PATIENCE, fn, ...))
  if results[1] then return table.unpack(results, 2, results.n) end
  core.task.checkpoint() -- whoever was told to stop says so, and not that something is wrong
  return nil, errors.handler(results[2])
end

--- Looks. options: conf, cluster, id, name, keyring; os_cloud, os_region_name, os_interface, os_service_cloud; pools,
-- a list of those that matter (default: all that this user can do anything in); trial: also copy a small image, and
-- remove it again; images_pool: Glance's, where Glance does not tell it. Returns the list of findings.
function doctor.examine(options)
  local findings = setmetatable({ list = {} }, Findings)
  require("siphon.doctor.host").examine(findings)
  local cluster = require("siphon.doctor.ceph").examine(findings, options)
  local world = { cluster = cluster, options = options, try = doctor.try }
  if cluster then require("siphon.doctor.pools").examine(findings, world) end
  require("siphon.doctor.openstack").examine(findings, world)
  require("siphon.doctor.trial").examine(findings, world)
  if cluster then cluster:close() end
  return findings.list
end

return doctor
