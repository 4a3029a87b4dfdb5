--- What a policy decides in the sample situations: the table of `siphon policy check` and of docs/decisions.md.

local policies = require "siphon.policy"
local routes = require "siphon.routes"
local situations = require "siphon.situations"

local decisions = {}

-- The policy's answer in one situation, and the first of its routes that applies.
local function decide(loaded, title, given)
  local facts = situations.facts(given)
  local names, reason = policies.routes(loaded, facts, routes.names)
  if not names then return { situation = title, error = reason } end
  local decision = { situation = title, names = names, reason = reason, refused = {} }
  for _, name in ipairs(names) do
    local route, err = routes.get(name)
    if not route then return { situation = title, error = err } end
    local applies, why = route.applies(facts)
    if applies then
      decision.route = name
      decision.cost = routes.cost(route, facts)
      break
    end
    decision.refused[#decision.refused + 1] = { route = name, reason = why }
  end
  return decision
end

--- What the loaded policy decides: { { situation, names, reason, route (nil: none applies), refused, cost } or {
-- situation, error }, ... }, in the order of siphon.situations.
function decisions.of(loaded)
  local list = {}
  for i, entry in ipairs(situations.LIST) do list[i] = decide(loaded, table.unpack(entry)) end
  return list
end

--- The route in a decision, and why, for people.
function decisions.texts(decision)
  if decision.error then return "(error)", decision.error.message end
  if decision.route then
    local before = {}
    for i, entry in ipairs(decision.refused) do before[i] = ("not %s: %s"):format(entry.route, entry.reason) end
    table.insert(before, 1, decision.reason)
    return decision.route, table.concat(before, "; ")
  end
  if #decision.names == 0 then return "(refused)", decision.reason end
  local reasons = {}
  for i, entry in ipairs(decision.refused) do reasons[i] = ("%s: %s"):format(entry.route, entry.reason) end
  return "(none)", table.concat(reasons, "; ")
end

--- The decisions as a Markdown table.
function decisions.markdown(list)
  local units = require "siphon.units"
  local lines = { "| situation | route | through this host | why |", "|---|---|---|---|" }
  for _, decision in ipairs(list) do
    local route, why = decisions.texts(decision)
    local bytes = decision.cost and units.bytes(decision.cost.through_host) or "-"
    lines[#lines + 1] = ("| %s | %s | %s | %s |"):format(decision.situation,
      decision.route and "`" .. route .. "`" or route, bytes, why)
  end
  return table.concat(lines, "\n") .. "\n"
end

return decisions
