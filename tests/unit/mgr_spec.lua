-- What is told of a ceph-mgr that waits. No cluster.

local mgr = require "siphon.mgr"

describe("a task of ceph-mgr that stands still", function()
  local told, asked, full

  local function watch(seconds)
    told, asked, full = 0, 0, true
    return mgr.room_watch(seconds, function()
      asked = asked + 1
      return full
    end, function() told = told + 1 end)
  end

  it("on a full pool is told of once", function()
    local progress = watch(0)
    progress(0.1)
    assert.equal(0, told)
    for _ = 1, 3 do progress(0.1) end
    assert.same({ 1, 1 }, { told, asked })
  end)

  it("for another reason, or for a moment only, is not", function()
    local progress = watch(0)
    full = false
    for _ = 1, 3 do progress(0.1) end
    assert.same({ 0, 2 }, { told, asked })
    progress = watch(3600)
    for i = 1, 3 do progress(i // 2) end
    assert.same({ 0, 0 }, { told, asked })
  end)
end)
