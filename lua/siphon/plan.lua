--- Looks at both ends of a copy and decides the way: the part that `siphon plan` and `siphon copy` share.
-- Nothing is changed here.

local connections = require "siphon.connections"
local content = require "siphon.content"
local errors = require "siphon.errors"
local facts = require "siphon.facts"
local hashes = require "siphon.hashes"
local policies = require "siphon.policy"
local routes = require "siphon.routes"
local sources = require "siphon.source"
local targets = require "siphon.target"

local plan = {}

local Situation = {}
Situation.__index = Situation

--- Loads the policy and checks the route's name: what can be wrong before anything is connected. The policy, or nil and
-- an error.
function plan.load_policy(request)
  if request.route then
    local route, err = routes.get(request.route)
    if not route then return nil, err end
  end
  return policies.load(request.policy or "default")
end

--- Connects and looks: { request, policy, connections, source, target, facts }, or nil and an error. close()
-- gives everything back. open: connections that are there already; they are closed with the rest, but not on failure.
function plan.look(request, open)
  local self = setmetatable({ request = request, connections = open }, Situation)
  local ok, err = self:open()
  if not ok then
    if open then self.connections = nil end
    self:close()
    return nil, err
  end
  return self
end

function Situation:open()
  local err
  self.policy, err = plan.load_policy(self.request)
  if not self.policy then return nil, err end
  if not self.connections then self.connections, err = connections.open(self.request) end
  if not self.connections then return nil, err end
  self.source, err = sources.open(self.connections, self.request.source)
  if not self.source then return nil, err end
  self.target, err = targets.open(self.connections, self.request, self.source)
  if not self.target then return nil, err end
  self.facts = facts.of(self)
  return self
end

function Situation:close()
  if self.source then self.source:close() end
  if self.connections then self.connections:close() end
  self.source, self.connections = nil, nil
end

Situation.__close = Situation.close

-- What will be written at most has to fit: a pool that runs full stops everybody who uses it.
local function check_space(request, facts_)
  if not request.check_space or not facts_.target.reachable then return true end
  local free = facts_.target.free
  -- Only when it might not fit is it worth to count what exists, which takes long without an object map.
  if not free or facts_.source.size <= free then return true end
  local needed = facts_.source.allocated
  if needed <= free then return true end
  local units = require "siphon.units"
  local text = ("up to %s will be written to the pool '%s', which has %s left: make room, raise its quota, or "
    .. "try it with --no-space-check"):format(units.bytes(needed), facts_.target.pool, units.bytes(free))
  return nil, errors.new("ENOSPC", "job.check", text, { where = { pool = facts_.target.pool }, errno = 28 })
end

--- Whether the copy can work at all: true, or nil and an error.
function Situation:check()
  local ok, err = self.source:check()
  if ok then ok, err = content.check(self.request, self.facts) end
  if ok then ok, err = self.target:check(self.facts) end
  if ok then ok, err = check_space(self.request, self.facts) end
  return ok, err
end

local function no_route(decision)
  local lines, code = {}, nil
  for _, entry in ipairs(decision.considered) do
    if entry.reason then lines[#lines + 1] = entry.route .. ": " .. entry.reason end
    code = entry.code or code
  end
  local why = #lines > 0 and table.concat(lines, "; ") or decision.reason
  return errors.new(code or "policy.no_route", "job.decide", ("no route leads there (%s)"):format(why))
end

--- Asks the policy, then each route it names: { reason, considered = { { route, applies, reason } } }, or nil
-- and an error: when none applies, of code "policy.no_route" or of one that says more. The first that applies is
-- `route`.
function Situation:decide()
  local names, reason
  if self.request.route then
    names, reason = { self.request.route }, "asked for with --route"
  else
    names, reason = policies.routes(self.policy, self.facts, routes.names)
    if not names then return nil, reason end
  end
  local decision = { reason = reason, considered = {} }
  for i, name in ipairs(names) do
    local route, err = routes.get(name)
    if not route then return nil, err end
    local applies, why, code = route.applies(self.facts)
    decision.considered[i] = {
      route = name, applies = applies, reason = not applies and why or nil, code = not applies and code or nil,
    }
    if applies and not decision.route then decision.route = name end
  end
  if not decision.route then return nil, no_route(decision) end
  return decision
end

-- The routes that the policy did not ask for, for the sake of "why not": whether they would have applied.
local function others(situation, decision)
  local list, asked = {}, {}
  for _, entry in ipairs(decision.considered) do
    asked[entry.route] = true
    if entry.route ~= decision.route then
      list[#list + 1] = { route = entry.route, applies = entry.applies,
        reason = entry.reason or ("comes after %s"):format(decision.route) }
    end
  end
  for _, name in ipairs(routes.names) do
    if not asked[name] then
      local applies, why = routes.get(name).applies(situation.facts)
      local source = situation.request.route and "another one was asked for"
        or ("the policy '%s' does not name it"):format(situation.policy.name)
      list[#list + 1] = { route = name, applies = applies, reason = why or source }
    end
  end
  return list
end

local function steps_of(situation, route)
  local around, list = situation.target:steps(route), {}
  local function add(texts)
    for _, text in ipairs(texts) do list[#list + 1] = text end
  end
  local named = situation.source.snapshot
  add(around.before)
  if situation.request.freeze_command then
    add { ("freeze with `%s`; thaw with `%s` as soon as the snapshot is there"):format(situation.request.freeze_command,
      situation.request.thaw_command) }
  end
  if not named then
    add { ("snapshot %s@siphon-<job>, protected"):format(situation.facts.source.spec) }
  elseif not named.protected then
    add { ("protect %s for the time being"):format(situation.facts.source.spec) }
  end
  add(route.steps(situation.facts))
  add { hashes.text(situation.facts, route) }
  if situation.policy.name == "default" or not situation.policy.table.after then
    add(around.after)
  else
    add { ("what the policy '%s' does afterwards"):format(situation.policy.name) }
  end
  if route.steps_after then add(route.steps_after(situation.facts)) end
  if route.parent == "kept" then
    add { "leave the source's snapshot, on which the image depends" }
  elseif not named then
    add { "remove the source's snapshot" }
  elseif not named.protected then
    add { "unprotect it again" }
  end
  return list
end

-- The source's own limits, as far as they slow this route down.
local function throttles_of(facts_, route)
  if not route.throttled and hashes.cost(facts_, route) == 0 then return nil end
  local limits
  for name, limit in pairs(facts_.source.throttles or {}) do
    if not name:find "_write_" then
      limits = limits or {}
      limits[name] = limit
    end
  end
  return limits
end

--- The plan as plain data: see siphon.plan.
function Situation:describe()
  local ok, err = self:check()
  if not ok then return nil, err end
  local decision, failure = self:decide()
  if not decision then return nil, failure end
  local route = routes.get(decision.route)
  local cost = routes.cost(route, self.facts)
  local from, to = self.facts.source, self.facts.target
  return {
    source = from.spec, target = to.spec, policy = self.policy.name, route = decision.route,
    summary = route.summary, reason = decision.reason, others = others(self, decision),
    steps = steps_of(self, route),
    image_id = self.target:result().image_id,
    throttles = throttles_of(self.facts, route),
    bytes = {
      size = from.size, allocated = from.allocated, copied = cost.copied, through_host = cost.through_host,
    },
    facts = {
      same_cluster = self.facts.same_cluster,
      source = {
        fsid = from.fsid, pool = from.pool, size = from.size, allocated = from.allocated,
        object_size = from.object_size, features = from.features, parents = #from.parents,
        in_use = from.in_use, encrypted = from.encrypted or false,
      },
      target = {
        fsid = to.fsid, fsid_from = to.fsid_from, kind = to.kind, pool = to.pool, pool_from = to.pool_from,
        object_size = 1 << to.order, free = to.free, quota = to.quota,
      },
      ceph = { release = self.facts.ceph.release },
    },
  }
end

return plan
