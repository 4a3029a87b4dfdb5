-- How soon a wish to cancel is noticed, by a clock that only sleeping moves. No cluster.

local core = require "siphon.core"
local errors = require "siphon.errors"
local lease = require "siphon.lease"

local task = core.task

describe("the keeper of a lease", function()
  local now, sleep, clock

  before_each(function()
    now, sleep, clock = task.now, task.sleep, 0
    function task.now() return clock end
    function task.sleep(seconds)
      clock = clock + seconds
      return sleep(0)
    end
  end)
  after_each(function() task.now, task.sleep = now, sleep end)

  it("looks each second whether somebody wants the job cancelled, and cancels what it is at", function()
    local asked, last, longest = 5, 0, 0
    local record = { lease = 20, renew = function() return true end }
    function record.cancelled_by()
      last, longest = clock, math.max(longest, clock - last)
      return clock >= asked and { user = "operator", host = "elsewhere" } or nil
    end
    local ok, err = pcall(lease.keep, record, function() return true end, function() sleep(600) end)
    assert.is_false(ok)
    assert.is_true(errors.has_code(err, "job.cancelled"))
    assert.is_true(last - asked < 2 and longest < 2, ("noticed after %g s"):format(last - asked))
  end)

  it("does not look while nobody may cancel", function()
    local looks = 0
    local record = { lease = 20, renew = function() return true end, cancelled_by = function() looks = looks + 1 end }
    lease.keep(record, function() return false end, function()
      while clock < 10 do sleep(0) end
    end)
    assert.equal(0, looks)
  end)
end)
