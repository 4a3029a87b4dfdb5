--- Always clone and flatten: the way Nova makes its direct snapshots.
--
-- Choose it to get the layout that Nova's images have, or to compare. The bytes pass through this host all
-- the same, and zeroes inside objects are kept.
return {
  routes = function()
    return { "clone_flatten" }, "the policy wants a clone, flattened"
  end,
}
