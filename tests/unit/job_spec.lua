local core = require "siphon.core"
local errors = require "siphon.errors"
local jobs = require "siphon.job"
local undo = require "siphon.undo"

-- A job on nothing: its steps and undos only write down that they ran.
local function recording_job(options)
  local log = {}
  local request = { job_id = "20260131-120000-abcdef", on_event = function(e) log[#log + 1] = e end }
  for key, value in pairs(options or {}) do request[key] = value end
  local job = jobs.new(request)
  job.connections = { log = log }
  return job, log
end

local function states(log, name)
  local list = {}
  for _, e in ipairs(log) do
    if e.event == "step" and (not name or e.state == name) then list[#list + 1] = e.step .. " " .. e.state end
  end
  return list
end

local function reversible(job, name, plan)
  plan = plan or {}
  plan.undo = plan.undo or { "recorded", { name = name } }
  plan.act = plan.act or function() return true end
  return job:step(name, plan)
end

describe("siphon.job", function()
  local undone

  setup(function()
    undo.actions.recorded = {
      thing = function(data) return data.name end, done = "taken back",
      run = function(data)
        undone[#undone + 1] = data.name
        if data.result then return table.unpack(data.result) end
        return true
      end,
    }
  end)
  teardown(function() undo.actions.recorded = nil end)
  before_each(function() undone = {} end)

  describe("ids", function()
    it("sort by time and never look like what Cinder handles specially", function()
      local id = jobs.new_id()
      assert.matches("^%d%d%d%d%d%d%d%d%-%d%d%d%d%d%d%-%x%x%x%x%x%x$", id)
      assert.are_not.equal(id, jobs.new_id())
    end)
  end)

  describe("a step", function()
    it("returns what it did and tells when it began and ended", function()
      local job, log = recording_job()
      assert.equal(42, (job:step("a", { detail = "doing a", act = function() return 42 end })))
      assert.same({ "a started", "a done" }, states(log))
      assert.equal("doing a", log[1].detail)
      assert.is_number(log[2].seconds)
    end)

    it("has its undo on record before it acts", function()
      local puts, seen = {}, nil
      local job = recording_job { journal = { put = function(_, key, entry)
        puts[#puts + 1] = { key, entry.state }
        return true
      end } }
      reversible(job, "a", { act = function() seen = #puts return true end })
      assert.equal(1, seen)
      assert.same({ { "step.0001", "started" }, { "step.0001", "done" } }, puts)
    end)

    it("does not act when that cannot be recorded", function()
      local refusal = core.error { code = "EIO", message = "no journal" }
      local job = recording_job { journal = { put = function() return nil, refusal end } }
      local acted = false
      local ok, err = pcall(reversible, job, "a", { act = function() acted = true return true end })
      assert.is_false(ok)
      assert.equal(refusal, err)
      assert.is_false(acted)
      job:undo()
      assert.same({}, undone)
    end)

    it("raises what it failed with, whether raised or returned", function()
      for _, act in ipairs {
        function() return nil, core.error { code = "EIO", message = "x" } end,
        function() error(core.error { code = "EIO", message = "x" }) end,
      } do
        local job, log = recording_job()
        local ok, err = pcall(job.step, job, "a", { act = act })
        assert.is_false(ok)
        assert.equal("EIO", err.code)
        assert.same({ "a started", "a failed" }, states(log))
        assert.equal("EIO", log[2].error.code)
      end
    end)

    it("turns a bug into an error with a traceback", function()
      local job = recording_job()
      local ok, err = pcall(job.step, job, "a", { act = function() return nil .. "" end })
      assert.is_false(ok)
      assert.equal("lua.error", err.code)
      assert.matches("job_spec%.lua", err.traceback)
    end)

    it("adds to the undo's data what it learned", function()
      local job = recording_job()
      reversible(job, "a", { act = function(note) note { id = "i1" } return true end })
      assert.equal("i1", job.entries[1].data.id)
    end)
  end)

  describe("undoing", function()
    it("runs in reverse, the failed step included", function()
      local job, log = recording_job()
      reversible(job, "a")
      job:step("no undo", { act = function() end })
      reversible(job, "b")
      pcall(reversible, job, "c", { act = function() error(core.error { code = "EIO" }) end })
      job:undo()
      assert.same({ "c", "b", "a" }, undone)
      assert.same({ "c undone", "b undone", "a undone" }, states(log, "undone"))
      assert.same({}, job.left_behind)
    end)

    it("leaves alone a step that failed without an effect", function()
      local job = recording_job()
      reversible(job, "a")
      pcall(reversible, job, "b", { untouched = { "EEXIST" }, act = function() return nil, core.error { code = "EEXIST" } end })
      job:undo()
      assert.same({ "a" }, undone)
    end)

    it("happens once", function()
      local job = recording_job()
      reversible(job, "a")
      job:undo()
      job:undo()
      assert.same({ "a" }, undone)
    end)

    it("stops at a mark, for the next route", function()
      local job = recording_job()
      reversible(job, "a")
      local mark = #job.entries
      reversible(job, "b")
      reversible(job, "c")
      job:undo(mark)
      assert.same({ "c", "b" }, undone)
      job:undo()
      assert.same({ "c", "b", "a" }, undone)
    end)

    it("goes on when one fails, and tells what is left", function()
      local job, log = recording_job()
      reversible(job, "a")
      reversible(job, "b", { undo = { "recorded", { name = "b", result = { nil, core.error { code = "EIO", message = "x" } } } } })
      job:undo()
      assert.same({ "b", "a" }, undone)
      assert.same({ "b kept" }, states(log, "kept"))
      assert.equal("EIO", job.left_behind[1].error.code)
      assert.equal("b", job.left_behind[1].data.name)
    end)

    it("goes on when one raises", function()
      local job = recording_job()
      reversible(job, "a")
      reversible(job, "b", { undo = { "no such undo", {} } })
      undo.actions["no such undo"] = { thing = tostring, done = "?", run = function() error "a bug" end }
      job:undo()
      undo.actions["no such undo"] = nil
      assert.same({ "a" }, undone)
      assert.equal("lua.error", job.left_behind[1].error.code)
    end)

    it("leaves what belongs to a thing that could not be undone", function()
      local job, log = recording_job()
      reversible(job, "record")
      reversible(job, "image")
      reversible(job, "register", { holds = { "image" },
        undo = { "recorded", { name = "register", result = { nil, core.error { code = "http.connect", message = "down" } } } } })
      job:undo()
      assert.same({ "register", "record" }, undone)
      assert.same({ "register kept", "image kept" }, states(log, "kept"))
      assert.equal(2, #job.left_behind)
    end)

    it("says why something was left as it is", function()
      local job, log = recording_job()
      reversible(job, "a", { undo = { "recorded", { name = "a", result = { "kept", "it has a clone" } } } })
      job:undo()
      assert.equal("it has a clone", log[#log].reason)
      assert.is_nil(job.left_behind[1].error)
    end)

    it("is shielded from the cancellation that caused it", function()
      local job
      local slept = false
      local running = core.task.spawn(function()
        job = recording_job()
        undo.actions.slow = { thing = tostring, done = "?", run = function()
          core.task.sleep(0.01)
          slept = true
          return true
        end }
        local ok, err = pcall(reversible, job, "a", { undo = { "slow", {} }, act = function()
          core.task.sleep(60)
        end })
        assert(not ok and err:is("cancelled"))
        job:undo()
      end)
      core.task.sleep(0.01)
      running:cancel()
      pcall(running.join, running)
      undo.actions.slow = nil
      assert.is_true(slept)
      assert.equal("undone", job.entries[1].state)
    end)
  end)

  describe("releasing", function()
    it("takes back what was only needed meanwhile, once", function()
      local job, log = recording_job()
      reversible(job, "source.snapshot")
      reversible(job, "target")
      job:release "source.snapshot"
      job:release "source.snapshot"
      assert.same({ "source.snapshot" }, undone)
      assert.same({ "source.snapshot released" }, states(log, "released"))
      job:undo()
      assert.same({ "source.snapshot", "target" }, undone)
    end)

    it("does not fail the job when it cannot", function()
      local job, log = recording_job()
      reversible(job, "s", { undo = { "recorded", { name = "s", result = { nil, core.error { code = "EBUSY" } } } } })
      job:release "s"
      assert.same({ "s kept" }, states(log, "kept"))
      assert.equal(1, #job.left_behind)
    end)
  end)

  describe("progress", function()
    it("is told in bytes, also for a primitive that counts objects", function()
      local job, log = recording_job()
      job:meter("target.flatten", "flattening", { size = 1000 })(5, 10)
      assert.equal(500, log[1].done)
      assert.equal(1000, log[1].total)
      assert.equal("target.flatten", log[1].step)
      assert.equal("integer", math.type(log[1].done))
    end)
  end)

  it("writes plain data only", function()
    local function plain(value)
      if type(value) ~= "table" then return type(value) ~= "userdata" and type(value) ~= "function" end
      for key, member in pairs(value) do
        if not plain(key) or not plain(member) then return false end
      end
      return getmetatable(value) == nil
    end
    local entries = {}
    local job = recording_job { journal = { put = function(_, _, entry)
      entries[#entries + 1] = entry
      return true
    end } }
    reversible(job, "a")
    pcall(reversible, job, "b", { act = function() return nil, errors.new("EIO", "x", "y") end })
    job:undo()
    for _, entry in ipairs(entries) do assert.is_true(plain(entry)) end
  end)
end)
