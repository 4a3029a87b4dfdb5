--- The fastest route that is sure to give an image which stands on its own.
--
-- Choose it when you have no special wish; it is what siphon does when no policy is named.
return {
  routes = function(facts)
    local image, target = facts.image, facts.target
    if image.disk_format ~= "raw" then
      return { "convert" }, ("a %s image has to be written anew"):format(image.disk_format)
    end
    if target.kind == "rbd" then
      return { "osd_copy", "copy" }, "a copy that stands on its own"
    end
    if not target.pool and facts.options.stores then
      return { "upload" }, "Glance has no pool to tell of the store that is asked for"
    end
    if not target.pool then
      return { "copy" }, "Glance does not tell the pool of its images"
    end
    if not target.reachable then
      return { "upload" }, "the image store is in another cluster"
    end
    if not target.writable then
      return { "upload" }, ("this user may not write to the pool '%s'"):format(target.pool)
    end
    if facts.same_cluster then
      return { "osd_copy", "copy", "clone_flatten", "upload" }, "source and image store are in one cluster"
    end
    return { "copy", "upload" }, "source and image store are within reach of this host"
  end,

  after = function(job)
    job:seal()     -- snapshot "snap", protected
    job:verify()   -- the copy has the source's size and no parent
    job:register() -- the rbd:// location, in Glance
  end,
}
