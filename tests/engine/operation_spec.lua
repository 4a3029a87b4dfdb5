-- Operations: early and late completion, cancellation in flight, errors, progress.
describe("an operation", function()
  it("may complete before its start returned", function()
    assert.is_true(probe.early())
    assert.is_true(task.scope(probe.early))
  end)

  it("blocks outside of tasks while tasks go on", function()
    local ticks = 0
    local t = task.spawn(function() while true do task.sleep(0.002) ticks = ticks + 1 end end)
    assert.is_true(probe.block(1))
    assert.is_true(ticks > 3)
    t:cancel()
    pcall(t.join, t)
  end)

  it("that succeeds after its cancellation still succeeded; the next checkpoint raises", function()
    local result, later
    local t = task.spawn(function()
      result = probe.late(0.01)
      later = pcall(task.sleep, 0)
    end)
    task.sleep(0.001)
    t:cancel()
    t:join()
    assert.is_true(result)
    assert.is_false(later)
  end)

  it("is left to itself when it has no lasting effect", function()
    local t = task.spawn(probe.abandoned)
    task.sleep(0) -- it has begun
    t:cancel()
    local ok, err = pcall(task.timeout, 10, t.join, t)
    probe.finish()
    assert.is_false(ok)
    assert.equal("cancelled", err.code)
  end)

  it("that was stopped raises cancelled", function()
    local t = task.spawn(function() probe.block(60) end)
    task.sleep(0.002)
    t:cancel()
    local ok, err = pcall(t.join, t)
    assert.is_false(ok)
    assert.equal("cancelled", err.code)
  end)

  it("answers nil and an error object", function()
    local ok, err = probe.fail(16)
    assert.is_nil(ok)
    assert.same({ "EBUSY", "probe.fail", 16, true, "volumes" },
      { err.code, err.op, err.errno, err.retryable, err.where.pool })
    assert.equal("probe.fail: volumes: as asked: in use (EBUSY)", tostring(err))
    assert.is_true(err:is("ENOENT", "EBUSY"))
    assert.is_false(err:is("ENOENT"))
  end)

  it("takes errnos of either sign, named or not", function()
    assert.equal("ENOENT", select(2, probe.fail(-2)).code)
    assert.equal("E9999", select(2, probe.fail(9999)).code)
  end)

  it("reports progress: in order, not too often, and the end always", function()
    local seen, began = {}, task.now()
    assert.is_true(probe.steps(250, { progress = function(done, total)
      seen[#seen + 1] = done
      assert.equal(250, total)
    end }))
    assert.equal(250, seen[#seen])
    assert.is_true(#seen >= 2 and #seen <= 10 * (task.now() - began) + 2, #seen .. " reports")
    for i = 2, #seen do assert.is_true(seen[i] > seen[i - 1]) end
  end)

  it("ends with the error of a progress function that raises", function()
    local ok, err = probe.steps(2000, { progress = function() error("enough") end })
    assert.is_nil(ok)
    assert.matches("enough", err.message)
  end)
end)

describe("the error constructor", function()
  it("fills in what is missing", function()
    local err = new_error { code = "policy.no_route", op = "plan", message = "no route", where = { pool = "p", image = "i" } }
    assert.is_false(err.retryable)
    assert.equal("plan: p/i: no route (policy.no_route)", tostring(err))
    assert.equal("failed (error)", tostring(new_error {}))
  end)
end)
