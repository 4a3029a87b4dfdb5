--- By the volume's data: little is copied at once, a lot becomes an image first and is copied behind its back.
--
-- Choose it where volumes differ a lot in size. Copy it and set the limit for your cluster: at 100 MiB/s, 64 GiB
-- take eleven minutes to copy. What is larger takes the route `instant`, with all that its policy says.
local LARGE = 64 << 30

return {
  routes = function(facts)
    if facts.image.disk_format ~= "raw" then return { "convert" }, "only a raw image can be copied as it is" end
    if facts.source.allocated < LARGE then
      return { "copy", "upload" }, "there is little to copy"
    end
    return { "instant", "copy", "upload" }, "there is a lot to copy, and the image need not wait for it"
  end,
}
