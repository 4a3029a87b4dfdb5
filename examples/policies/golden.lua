--- Golden images: large ones at once, none from a volume in use, and a chat is told.
local default = siphon.policy "default"

return {
  routes = function(facts)
    if facts.source.in_use then return {}, "golden images are made from idle volumes" end
    if facts.source.allocated > 100 << 30 then return { "instant", "copy" }, "it is large" end
    return default.routes(facts)
  end,
  after = function(job)
    default.after(job)
    siphon.http.request { url = os.getenv "CHAT_URL", method = "POST", body = "new image: " .. job.image_id }
  end,
}
