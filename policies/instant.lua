--- An image within two seconds, whatever the size: a clone that ceph-mgr flattens afterwards.
--
-- Choose it when people wait for the image, and the volumes are large. Until the flattening is done (one image after
-- the other, on ceph-mgr's host) the image reads through to the volume's pool: Glance's Ceph user needs 'profile
-- rbd-read-only' there, and the volume cannot be deleted.
return {
  routes = function(facts)
    if facts.image.disk_format ~= "raw" then return { "convert" }, "only a raw image can be a clone" end
    return { "instant", "copy", "upload" }, "the image is to be there at once"
  end,
}
