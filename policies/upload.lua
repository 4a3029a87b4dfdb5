--- Always through Glance: this host sends the volume, Glance stores it and computes its checksums.
--
-- Choose it where Glance must see every byte (checksums, signatures, its own format checks), or where siphon is to
-- have no right to write to the pool of Glance's images. Slower than copying inside the cluster: everything passes
-- through this host and glance-api, holes included.
return {
  routes = function(facts)
    if facts.image.disk_format ~= "raw" then return { "convert" }, "the image is converted, then uploaded" end
    return { "upload" }, "the policy wants Glance to store the data"
  end,
}
