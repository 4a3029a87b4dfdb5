--- Where a job's record is kept. A job writes an entry before the step acts, and again whenever the entry
-- changes; it does not act when that fails. The record is plain data under string keys ("job", "step.0001",
-- ...), so that any siphon can undo from it what another one did.
--
-- A journal has put(key, table) -> true | nil, err. This one lives as long as the process.

local journal = {}

local Memory = {}
Memory.__index = Memory

function journal.memory()
  return setmetatable({ entries = {} }, Memory)
end

function Memory:put(key, value)
  self.entries[key] = value
  return true
end

return journal
