-- Objects: closing with operations in flight, parents and children, the garbage collector.
local function live()
  local opened, shut = probe.counts()
  return opened - shut
end

describe("an object", function()
  -- What is shut down without being waited for is, soon.
  local function assert_all_shut()
    for _ = 1, 1000 do
      if live() == 0 then return end
      task.sleep(0.01)
    end
    assert.equal(0, live())
  end

  before_each(function() assert.equal(0, live()) end)
  after_each(function()
    collectgarbage()
    assert_all_shut()
  end)

  it("closes once, and refuses work afterwards", function()
    local thing = probe.open()
    assert.is_true(thing:close())
    assert.equal(0, live())
    assert.is_true(thing:close())
    local ok, err = pcall(thing.work, thing, 0)
    assert.is_false(ok)
    assert.equal("closed", err.code)
    assert.matches("closed", tostring(thing))
  end)

  it("closes at the end of its scope, also by an error", function()
    pcall(function()
      local thing <close> = probe.open()
      error("x")
    end)
    assert.equal(0, live())
  end)

  it("waits for the operations in flight before it closes", function()
    local order = {}
    task.scope(function()
      local thing = probe.open()
      task.spawn(function() thing:work(0.02) order[#order + 1] = "worked" end)
      task.sleep(0.002)
      thing:close()
      order[#order + 1] = "closed"
      assert.equal(0, live())
    end)
    assert.same({ "worked", "closed" }, order)
  end)

  it("outlives its userdata while a child needs it", function()
    local parent = probe.open()
    local child = probe.open(parent)
    parent:close()
    assert.equal(2, live())
    assert.is_true(child:work(0))
    child:close()
    assert_all_shut()
  end)

  it("closes in a task that was cancelled", function()
    local t = task.spawn(function()
      local thing <close> = probe.open()
      thing:work(60)
    end)
    task.sleep(0.01)
    t:cancel()
    pcall(t.join, t)
    assert.equal(0, live())
  end)

  it("that the collector finds is shut down without waiting, and reported", function()
    warn("@off")
    probe.hold()
    probe.open()
    collectgarbage()
    local left = live()
    probe.let_go()
    warn("@on")
    assert.equal(1, left)
  end)

  it("is let go by an operation that never began", function()
    local thing = probe.open()
    assert.is_false((pcall(thing.work, thing, "not a number")))
    thing:close()
  end)

  it("that is opened for a cancelled task is closed again", function()
    local t = task.spawn(function() probe.open() task.sleep(60) end)
    task.sleep(0)
    t:cancel()
    pcall(t.join, t)
    warn("@off")
    collectgarbage()
    warn("@on")
  end)
end)
