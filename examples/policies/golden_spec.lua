-- siphon policy test examples/policies
local testing = require "siphon.testing"

local HERE = debug.getinfo(1, "S").source:match "^@(.*)/" or "."

describe("golden", function()
  local policy = testing.policy(HERE .. "/golden.lua")

  it("takes the ordinary way for an ordinary volume", function()
    assert.equal("osd_copy", policy.routes(testing.facts())[1])
  end)

  it("does not make the image wait for a large one", function()
    local names, reason = policy.routes(testing.facts { source = { allocated = 300 << 30 } })
    assert.same({ "instant", "copy" }, names)
    assert.equal("it is large", reason)
  end)

  it("refuses a volume that is in use, and says why", function()
    local names, reason = policy.routes(testing.facts { source = { in_use = true } })
    assert.same({}, names)
    assert.matches("idle volumes", reason)
  end)

  it("registers the image, then tells the chat", function()
    local job = testing.job { image_id = "8a7f1a52-6f0b-4a0b-8f0b-2f4b7f0c9f10" }
    policy.after(job)
    assert.same({ "seal", "verify", "register" }, job.calls)
    assert.equal("new image: 8a7f1a52-6f0b-4a0b-8f0b-2f4b7f0c9f10", policy.http.requests[1].body)
  end)
end)
