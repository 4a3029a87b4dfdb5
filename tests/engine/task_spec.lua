-- Tasks: structure, cancellation, what may wait where.
local function fails_with(code, fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  assert.equal(code, type(err) == "table" and err.code or err)
  return err
end

describe("a task", function()
  it("runs on Lua 5.4", function()
    assert.equal("Lua 5.4", _VERSION)
  end)

  it("hands its results to whoever joins it, as often as asked", function()
    local t = task.spawn(function(...) task.sleep(0) return select("#", ...), ... end, 1, nil, "x", nil)
    assert.same({ 4, 1, nil, "x", nil, n = 5 }, table.pack(t:join()))
    assert.equal(4, (t:join()))
    assert.equal("done", t:status())
  end)

  it("raises its error where it is joined, with a traceback", function()
    local t = task.spawn(function() error("boom") end)
    local err = fails_with("lua.error", t.join, t)
    assert.matches("task_spec.lua:%d+: boom", err.message)
    assert.matches("stack traceback", err.traceback)
    assert.equal("failed", t:status())
  end)

  it("keeps an error object as it is", function()
    local thrown = new_error { code = "EBUSY", message = "in use" }
    local ok, err = pcall(task.scope, function() error(thrown) end)
    assert.is_false(ok)
    assert.equal(thrown, err)
  end)

  it("ends after its children", function()
    local ended = {}
    task.scope(function()
      task.spawn(function()
        task.spawn(function() task.sleep(0.02) ended[#ended + 1] = "grandchild" end)
        task.sleep(0.01)
        ended[#ended + 1] = "child"
      end)
      ended[#ended + 1] = "parent"
    end)
    assert.same({ "parent", "child", "grandchild" }, ended)
  end)

  it("fails with the first child that fails, and takes the others with it", function()
    local sibling
    local err = fails_with("lua.error", task.scope, function()
      sibling = task.spawn(function() task.sleep(60) end)
      task.spawn(function() task.sleep(0.001) error("first") end)
      task.sleep(60)
    end)
    assert.matches("first", err.message)
    assert.equal("cancelled", sibling:status())
  end)

  it("may be begun for another one, which then waits for it", function()
    local ended = {}
    local owner = task.spawn(function() task.sleep(0.01) end)
    task.scope(function()
      owner:spawn(function(what) task.sleep(0.03) ended[#ended + 1] = what end, "handed over")
      ended[#ended + 1] = "scope"
    end)
    assert.same({ "scope" }, ended)
    owner:join()
    assert.same({ "scope", "handed over" }, ended)
    fails_with("task.ended", owner.spawn, owner, print)
  end)

  it("is not touched by what fails in a scope of its own", function()
    assert.equal("alive", task.scope(function()
      pcall(task.scope, function() error("contained") end)
      task.sleep(0)
      return "alive"
    end))
  end)

  it("refuses to wait for itself", function()
    fails_with("task.deadlock", task.scope, function()
      local self = task.current()
      task.spawn(function() self:join() end)
    end)
  end)

  it("lets the others run at a plain yield", function()
    local order = {}
    task.scope(function()
      for i = 1, 2 do
        task.spawn(function() for _ = 1, 2 do order[#order + 1] = i coroutine.yield() end end)
      end
    end)
    assert.same({ 1, 2, 1, 2 }, order)
  end)

  it("is cheap: ten thousand at once", function()
    local n = 0
    task.scope(function()
      for _ = 1, 10000 do
        task.spawn(function() task.sleep(0.001) n = n + 1 end)
      end
    end)
    assert.equal(10000, n)
  end)
end)

describe("cancellation", function()
  it("is raised again at each later checkpoint, whatever pcall swallows", function()
    local raised = 0
    local t = task.spawn(function()
      for _ = 1, 5 do
        local ok, err = pcall(task.sleep, 60)
        if not ok and err.code == "cancelled" then raised = raised + 1 end
      end
    end)
    task.sleep(0.001)
    t:cancel()
    t:join()
    assert.equal(5, raised)
  end)

  it("reaches a task that has not begun", function()
    local t = task.spawn(function() task.sleep(60) end)
    t:cancel()
    fails_with("cancelled", t.join, t)
    assert.equal("cancelled", t:status())
  end)

  it("goes down to the children", function()
    local child
    local t = task.spawn(function()
      child = task.spawn(function() task.sleep(60) end)
      child:join()
    end)
    task.sleep(0.001)
    t:cancel()
    pcall(t.join, t)
    assert.equal("cancelled", child:status())
  end)

  it("stays out of a shield, and is raised after it", function()
    local cleaned, after
    local t = task.spawn(function()
      task.shield(function() task.sleep(0.01) cleaned = true end)
      after = pcall(task.sleep, 0)
    end)
    task.sleep(0.001)
    t:cancel()
    t:join()
    assert.is_true(cleaned)
    assert.is_false(after)
  end)

  it("reaches into what is exposed in a shield, and never what follows that", function()
    for _ = 1, 20 do
      local code, done
      local t = task.spawn(function()
        task.shield(function()
          local ok, err = pcall(task.expose, function()
            task.current():cancel()
            while true do pcall(function() for _ = 1, 20000 do end end) end
          end)
          for _ = 1, 50000 do end
          task.sleep(0)
          code, done = not ok and err.code, true
        end)
      end)
      pcall(t.join, t)
      assert.equal("cancelled", code)
      assert.is_true(done)
    end
    assert.equal(3, task.expose(function() return 3 end))
  end)

  it("lets a <close> variable wait while the error unwinds", function()
    local closed
    local t = task.spawn(function()
      local guard <close> = setmetatable({}, { __close = function(_, err)
        task.shield(task.sleep, 0.005)
        closed = err.code
      end })
      task.sleep(60)
    end)
    task.sleep(0.001)
    t:cancel()
    pcall(t.join, t)
    assert.equal("cancelled", closed)
  end)

  it("gives way to an error inside <close>", function()
    local err = fails_with("lua.error", task.scope, function()
      local guard <close> = setmetatable({}, { __close = function() error("in close") end })
      error("in body")
    end)
    assert.matches("in close", err.message)
  end)

  it("stops a loop that never waits once it is interrupted", function()
    local t = task.spawn_main(function()
      probe.interrupt_soon()
      while true do pcall(function() while true do end end) end
    end)
    fails_with("cancelled", t.join, t)
  end)

  it("is left to Lua where Lua has asked for interrupts", function()
    local asked = 0
    local sleeper, busy
    finally(function() task.on_interrupt(nil) end)
    task.on_interrupt(function()
      asked = asked + 1
      sleeper:cancel()
      if busy then busy:cancel() end
    end)
    sleeper = task.spawn_main(function() task.sleep(60) end)
    probe.interrupt_soon()
    fails_with("cancelled", sleeper.join, sleeper)
    busy = task.spawn_main(function() while true do end end)
    probe.interrupt_soon()
    fails_with("cancelled", busy.join, busy)
    assert.equal(2, asked)
    task.on_interrupt(nil)
    probe.interrupt_soon()
    fails_with("cancelled", task.sleep, 60)
    assert.equal(2, asked)
  end)

  it("cannot wait where Lua answers an interrupt", function()
    local ok, err
    finally(function() task.on_interrupt(nil) end)
    local t = task.spawn(function() task.sleep(60) end)
    task.on_interrupt(function()
      ok, err = pcall(task.sleep, 1)
      t:cancel()
    end)
    probe.interrupt_soon()
    fails_with("cancelled", t.join, t)
    assert.is_false(ok)
    assert.equal("task.not_yieldable", err.code)
  end)

  it("comes from an interrupt to what waits outside of tasks", function()
    probe.interrupt_soon()
    fails_with("cancelled", task.sleep, 60)
    assert.is_true(task.sleep(0))
  end)
end)

describe("timeout", function()
  it("answers nil and an error, after what it ran has ended", function()
    local ended
    local ok, err = task.timeout(0.01, function()
      local guard <close> = setmetatable({}, { __close = function() ended = true end })
      task.sleep(60)
    end)
    assert.is_nil(ok)
    assert.equal("timeout", err.code)
    assert.is_true(err.retryable)
    assert.is_true(ended)
  end)

  it("reaches what it bounds in a shield, children too, and what is made after it", function()
    local child, ok, err
    repeat -- where the time is over before it began
      ok, err = task.shield(function()
        return task.timeout(0.01, function()
          child = task.spawn(task.sleep, 60)
          pcall(task.sleep, 60)
          task.spawn(task.sleep, 60):join()
        end)
      end)
    until child
    assert.is_nil(ok)
    assert.equal("timeout", err.code)
    assert.equal("cancelled", child:status())
  end)

  it("leaves alone what shields itself within", function()
    local done, childs
    local ok, err = task.shield(task.timeout, 0.01, function()
      task.shield(function()
        local child = task.spawn(function()
          task.sleep(0.02)
          childs = true
        end)
        task.sleep(0.03)
        child:join()
        done = true
      end)
      task.sleep(60)
    end)
    assert.is_nil(ok)
    assert.equal("timeout", err.code)
    assert.same({ true, true }, { done, childs })
  end)

  it("does not let another's cancellation into the shield that it is in", function()
    local slept
    local t = task.spawn(function()
      task.shield(function() slept = task.timeout(60, task.sleep, 0.02) end)
    end)
    task.sleep(0.001)
    t:cancel()
    pcall(t.join, t)
    assert.is_true(slept)
  end)

  it("hands through results and errors in time", function()
    assert.same({ 1, nil, 3, n = 3 }, table.pack(task.timeout(60, function() return 1, nil, 3 end)))
    fails_with("lua.error", task.timeout, 60, function() error("x") end)
  end)

  it("is not another's cancellation", function()
    local t = task.spawn(function() return task.timeout(60, task.sleep, 60) end)
    task.sleep(0.001)
    t:cancel()
    fails_with("cancelled", t.join, t)
  end)
end)

describe("a semaphore", function()
  it("lets n in at once, in the order of asking", function()
    local inside, most, order = 0, 0, {}
    local semaphore = task.semaphore(2)
    task.scope(function()
      for i = 1, 6 do
        task.spawn(function()
          local permit <close> = semaphore:acquire()
          order[#order + 1] = i
          inside = inside + 1
          most = math.max(most, inside)
          task.sleep(0.002)
          inside = inside - 1
        end)
      end
    end)
    assert.equal(2, most)
    assert.same({ 1, 2, 3, 4, 5, 6 }, order)
  end)

  it("forgets a waiter that was cancelled", function()
    local semaphore = task.semaphore(1)
    local permit = semaphore:acquire()
    local waiter = task.spawn(function() semaphore:acquire() end)
    task.sleep(0.001)
    waiter:cancel()
    pcall(waiter.join, waiter)
    permit:release()
    permit:release()
    local again <close> = semaphore:acquire()
    assert.matches("0 of 1 free", tostring(semaphore))
  end)
end)

describe("where Lua cannot wait, the error says so:", function()
  local function inside_task(fn)
    return fails_with("task.not_yieldable", task.scope, fn)
  end

  it("a comparator of table.sort", function()
    inside_task(function() table.sort({ 3, 1, 2 }, function(a, b) task.sleep(0) return a < b end) end)
  end)

  it("a callback of string.gsub", function()
    local err = inside_task(function() string.gsub("x", ".", function() task.sleep(0) end) end)
    assert.matches("gsub", err.message)
  end)

  it("a __tostring", function()
    inside_task(function()
      tostring(setmetatable({}, { __tostring = function() task.sleep(0) return "" end }))
    end)
  end)

  it("a coroutine that is no task", function()
    local err = inside_task(function() coroutine.wrap(function() task.sleep(0) end)() end)
    assert.matches("spawn", err.message)
  end)

  it("a progress function", function()
    local ok, err = probe.steps(3, { progress = function() task.sleep(0) end })
    assert.is_nil(ok)
    assert.equal("lua.error", err.code)
  end)

  it("but a metamethod, an iterator and pcall can", function()
    assert.equal(3, task.scope(function()
      local add = setmetatable({}, { __add = function(_, n) task.sleep(0) return n end })
      local sum = 0
      for i in function(_, last) task.sleep(0) return last < 2 and last + 1 or nil end, nil, 0 do sum = sum + i end
      return select(2, pcall(function() return add + sum end))
    end))
  end)
end)
