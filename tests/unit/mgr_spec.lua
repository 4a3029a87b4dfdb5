-- What is told of a ceph-mgr that waits, and how it is made to let go of an image. No cluster: the manager's part is
-- played as rbd_support/task.py of Ceph 16 has it, where a task that is being done stays listed after its cancel until
-- its image has been closed.

local errors = require "siphon.errors"
local json = require "siphon.json"
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

describe("cancelling what ceph-mgr is to do to an image", function()
  local AT = { pool = "images", namespace = "", image = "siphon-1" }

  local function task(id, image, namespace)
    return { id = id, refs = { pool_name = "images", pool_namespace = namespace or "", image_name = image } }
  end

  -- A manager with these tasks, each listed for so many looks after its cancel.
  local function manager(tasks, looks)
    local self = { cancelled = {}, looked = 0 }
    function self.mgr_command(_, command)
      if command.prefix == "rbd task cancel" then
        table.insert(self.cancelled, command.task_id)
        return ""
      end
      self.looked = self.looked + 1
      local listed = {}
      for _, one in ipairs(tasks) do
        local mine = one.refs.image_name == AT.image and one.refs.pool_namespace == ""
        if not mine or self.looked <= looks then listed[#listed + 1] = one end
      end
      return json.encode(listed)
    end
    return self
  end

  it("asks once for each task on it, and returns when the last is no longer listed", function()
    local tasks = { task("a", "siphon-1"), task("b", "siphon-2"), task("c", "siphon-1"), task("d", "siphon-1", "n") }
    local with = manager(tasks, 3)
    assert.is_true(mgr.cancel(with, AT))
    assert.same({ { "a", "c" }, 4 }, { with.cancelled, with.looked })
  end)

  it("does nothing when there is none", function()
    local with = manager({ task("b", "siphon-2") }, 0)
    assert.is_true(mgr.cancel(with, AT))
    assert.same({ {}, 1 }, { with.cancelled, with.looked })
  end)

  it("fails, and may be tried again, when it does not let go", function()
    local with = manager({ task("a", "siphon-1") }, math.huge)
    local ok, err = mgr.cancel(with, AT, 0.1)
    assert.is_nil(ok)
    assert.is_true(errors.has_code(err, "mgr.task") and err.retryable)
    assert.matches("'siphon%-1' of the pool 'images'", err.message)
    assert.same({ "a" }, with.cancelled)
  end)

  it("tells what the manager answered when it cannot say", function()
    local ok, err = mgr.cancel({ mgr_command = function() return nil, errors.new("EACCES", "x", "no") end }, AT)
    assert.is_nil(ok)
    assert.equal("EACCES", err.code)
  end)
end)
