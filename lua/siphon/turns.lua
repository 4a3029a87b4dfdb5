--- Whose turn it is: the order in which a worker takes jobs. The highest priority first; among those, what comes from
-- the source pool and the submitter of whom the fewest jobs run here, and who had no turn for the longest time; and of
-- those, the oldest. So neither a thousand jobs of one night's script nor one large pool keeps the others waiting.

local spec = require "siphon.spec"

local turns = {}

local Turns = {}
Turns.__index = Turns

--- Nobody had a turn yet.
function turns.new()
  return setmetatable({ last = {}, count = 0 }, Turns)
end

--- What is to be known of the job of that line in that pool: { id, pool, line, priority, source (its pool), group }.
function turns.entry(pool, line, queue)
  local source = spec.parse(line.source or "")
  local by = queue and queue.by or {}
  local name = source and source.pool or ""
  return {
    id = line.id, pool = pool, line = line, priority = queue and queue.priority or 0, source = name,
    group = ("%s %s@%s"):format(name, by.user or "", by.host or ""),
  }
end

-- How many of the running jobs have that value there.
local function count(running, field, value)
  local n = 0
  for _, entry in pairs(running) do
    if entry[field] == value then n = n + 1 end
  end
  return n
end

local function comes_before(self, a, b)
  if a.priority ~= b.priority then return a.priority > b.priority end
  if a.busy ~= b.busy then return a.busy < b.busy end
  local last_a, last_b = self.last[a.group] or 0, self.last[b.group] or 0
  if last_a ~= last_b then return last_a < last_b end
  return a.id < b.id
end

--- The entry of the list whose turn it is, besides those that run ({ [id] = entry }); nil when none may begin. limits:
-- per_pool, so many jobs at once of one source pool.
function Turns:next(list, running, limits)
  local best
  for _, entry in ipairs(list) do
    local is_free = not running[entry.id]
      and not (limits.per_pool and count(running, "source", entry.source) >= limits.per_pool)
    if is_free then
      entry.busy = count(running, "group", entry.group)
      if not best or comes_before(self, entry, best) then best = entry end
    end
  end
  return best
end

--- It had its turn.
function Turns:took(entry)
  self.count = self.count + 1
  self.last[entry.group] = self.count
end

return turns
