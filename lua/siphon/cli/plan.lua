--- siphon plan SOURCE TARGET: what `copy` would do, and why. Changes nothing.

local json = require "siphon.json"
local nearest = require "siphon.nearest"
local options = require "siphon.cli.options"
local units = require "siphon.units"

local command = {}

local function parser()
  local p = options.parser("plan",
    "Says what `siphon copy` would do with the same arguments, and why. Changes nothing.")
  options.copy(p)
  p:group("Output",
    p:flag("--facts", "Print all that a policy can know, and where it is from, instead of the plan."),
    p:flag("--json", "Print the plan, or the facts, as one JSON object."),
    p:flag("-v --verbose", "Say more when it fails."))
  options.ceph(p)
  return p
end

local function source_lines(plan)
  local from, bytes = plan.facts.source, plan.bytes
  local state = {
    "objects of " .. units.bytes(from.object_size),
    from.parents > 0 and ("a clone, %d deep"):format(from.parents) or "no parent",
  }
  if from.in_use then state[#state + 1] = "in use" end
  if from.encrypted then state[#state + 1] = ("encrypted (%s)"):format(from.encrypted) end
  return ("%s, %s, about %s allocated"):format(plan.source, units.bytes(bytes.size),
    units.bytes(bytes.allocated)), table.concat(state, ", ")
end

local function target_lines(plan)
  local to = plan.facts.target
  if not to.pool then return plan.target .. ", wherever Glance stores it", "its pool is not known" end
  local asked = to.pool_from == "glance" and "as Glance tells" or "as asked"
  local free = to.free and units.bytes(to.free) .. " free" or "free space not known"
  return ("%s in pool %s (%s)"):format(plan.target, to.pool, asked),
    ("objects of %s, %s"):format(units.bytes(to.object_size), free)
end

local function cluster_line(facts)
  if not facts.target.fsid then return ("from %s to one that is not known"):format(facts.source.fsid) end
  if not facts.same_cluster then return ("from %s to %s"):format(facts.source.fsid, facts.target.fsid) end
  if facts.target.fsid_from ~= "assumed" then return "the same: " .. facts.source.fsid end
  return ("the same: %s (this Glance does not tell its own; it checks when the image is registered)")
    :format(facts.source.fsid)
end

-- "rbd_qos_bps_limit 100 MiB/s, rbd_qos_iops_limit 500/s"
local function throttle_text(limits)
  local list = {}
  for _, name in ipairs(nearest.keys(limits)) do
    local rate = name:find "_bps_" and units.rate(limits[name]) or limits[name] .. "/s"
    list[#list + 1] = name .. " " .. rate
  end
  return table.concat(list, ", ")
end

local function print_plan(plan)
  local function line(head, text) io.write(("%-8s %s\n"):format(head, text)) end
  local function list(head, texts)
    for i, text in ipairs(texts) do line(i == 1 and head or "", text) end
  end
  list("source", { source_lines(plan) })
  list("target", { target_lines(plan) })
  line("cluster", cluster_line(plan.facts))
  line("route", ("%s: %s"):format(plan.route, plan.summary))
  line("why", ("%s (policy %s)"):format(plan.reason, plan.policy))
  for _, other in ipairs(plan.others) do line("why not", ("%s: %s"):format(other.route, other.reason)) end
  for i, step in ipairs(plan.steps) do line(i == 1 and "steps" or "", ("%d. %s"):format(i, step)) end
  line("bytes", ("about %s copied, %s through this host"):format(units.bytes(plan.bytes.copied),
    units.bytes(plan.bytes.through_host)))
  if plan.throttles then
    line("throttle", "the volume's own limits slow down what this host reads of it: " .. throttle_text(plan.throttles))
  end
end

-- A fact as one word or a short list.
local function fact_text(value)
  if value == nil or type(value) == "table" and next(value) == nil then return "-" end
  if type(value) == "string" then return (value:gsub("[^\32-\126\128-\255]", ".")) end
  return type(value) == "table" and json.encode(value) or tostring(value)
end

local function print_facts(list)
  for _, fact in ipairs(list) do
    local text = fact.error and "(" .. fact.error .. ")" or fact_text(fact.value)
    io.write(("%-22s %s\n%22s # %s\n"):format(fact.name, text, "", fact.origin))
  end
end

local LISTS = {
  ["source.features"] = true, ["source.parents"] = true, ["source.watchers"] = true, ["glance.stores"] = true,
}

-- As policies see them: { source = { size = ... }, ... }.
local function nested(list)
  local all = {}
  for _, fact in ipairs(list) do
    local section, name = fact.name:match "^(%w+)%.(.*)$"
    local value = fact.value
    if LISTS[fact.name] then value = json.array(value or {}) end
    if fact.name == "source.first_bytes" and value then
      value = value:gsub(".", function(c) return ("%02x"):format(c:byte()) end)
    end
    if section then
      all[section] = all[section] or {}
      all[section][name] = value
    else
      all[fact.name] = value
    end
  end
  return all
end

local function show_facts(parsed)
  local list, err = require("siphon.copy").facts(options.request(parsed))
  if not list then error(err, 0) end
  if parsed.json then
    io.write(json.encode(nested(list)), "\n")
  else
    print_facts(list)
  end
  return 0
end

--- Runs the command; returns the exit code or raises.
function command.main(arguments, leading)
  return options.run(parser(), arguments, leading, function(parsed)
    if parsed.facts then return show_facts(parsed) end
    local plan, err = require("siphon.copy").plan(options.request(parsed))
    if parsed.json then
      local answer = plan or { error = require("siphon.errors").plain(err) }
      io.write(json.encode(answer), "\n")
    elseif plan then
      print_plan(plan)
    end
    if not plan then error(err, 0) end
    return 0
  end)
end

return command
