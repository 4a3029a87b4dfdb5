--- Always copy: this host reads the volume and writes the image.
--
-- Choose it when the object size of Glance's store matters, or when the source has holes: zeroes are skipped,
-- so the image takes no more space than the data in it.
return {
  routes = function()
    return { "copy" }, "the policy wants a plain copy"
  end,
}
