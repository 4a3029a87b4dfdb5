--- The route that moves the fewest bytes through this host; among equals, the fewest bytes at all.
--
-- Choose it when this host's network is the bottleneck: it then prefers what the OSDs and ceph-mgr do. The numbers
-- are the routes' own estimates (`siphon plan` shows them). `clone` and `instant` cost this host nothing, but tie
-- the image to its volume, for good or for a while: so they are no candidates.
local TIED = { clone = true, instant = true }

return {
  routes = function(facts)
    local costs, names, place = {}, {}, {}
    for i, name in ipairs(siphon.routes) do
      place[name] = i
      if not TIED[name] and siphon.applies(name, facts) then
        names[#names + 1], costs[name] = name, siphon.cost(name, facts)
      end
    end
    table.sort(names, function(a, b)
      local one, other = costs[a], costs[b]
      if one.through_host ~= other.through_host then return one.through_host < other.through_host end
      if one.copied ~= other.copied then return one.copied < other.copied end
      return place[a] < place[b]
    end)
    local best = costs[names[1]]
    return names, best and ("%.1f GiB through this host, less than by any other route"):format(best.through_host / 2^30)
      or "no route that stands on its own leads there"
  end,
}
