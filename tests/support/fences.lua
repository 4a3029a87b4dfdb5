--- Whom the cluster bars: its blocklist. An entry stays for an hour or a day, so a spec that causes some (by taking a
-- job over, by killing who holds a lock) lifts just those: one that nobody meant to cause is then seen in the inventory.

local json = require "siphon.json"

local ceph = require "support.ceph"

local fences = {}

--- The addresses that are barred now, as a set.
function fences.standing()
  -- `ceph` loses what does not fit into a pipe, and these can be hundreds.
  local path = os.tmpname()
  ceph.admin("osd blocklist ls -f json -o " .. path)
  local file <close> = assert(io.open(path))
  os.remove(path)
  local addresses = {}
  -- The list of single addresses is followed by that of ranges.
  for _, entry in ipairs(json.decode(file:read "a":match "%b[]")) do addresses[entry.addr] = true end
  return addresses
end

--- Lifts those that did not stand `before`.
function fences.lift(before)
  if not next(before) then return ceph.admin "osd blocklist clear" end -- after `make faults` there are hundreds
  for address in pairs(fences.standing()) do
    if not before[address] then ceph.admin("osd blocklist rm " .. address) end
  end
end

return fences
