--- Whom the cluster bars: its blocklist. An entry stays for an hour or a day, so a spec that causes some (by taking a
-- job over, by killing who holds a lock) lifts just those: one that nobody meant to cause is then seen in the inventory.

local json = require "siphon.json"

local ceph = require "support.ceph"

local fences = {}

--- The addresses that are barred now, as a set.
function fences.standing()
  local addresses = {}
  -- stderr, where it says how many there are, comes along.
  for _, entry in ipairs(json.decode(ceph.admin("osd blocklist ls -f json"):match "%b[]")) do
    addresses[entry.addr] = true
  end
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
