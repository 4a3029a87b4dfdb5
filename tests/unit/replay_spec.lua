local core = require "siphon.core"
local errors = require "siphon.errors"
local jobs = require "siphon.job"
local replay = require "siphon.replay"
local undo = require "siphon.undo"

describe("a job that is taken up again", function()
  local did, undone

  setup(function()
    undo.actions.replayed = { thing = function(data) return data.name end, done = "undone",
      run = function(data) undone[#undone + 1] = data.name return true end }
    undo.actions.final = { thing = function(data) return data.name end, done = "undone", rewind = false,
      run = function(data) undone[#undone + 1] = data.name return true end }
  end)
  teardown(function() undo.actions.replayed, undo.actions.final = nil, nil end)
  before_each(function() did, undone = {}, {} end)

  -- A job whose record has these steps: { name, state, fields }.
  local function taken_up(...)
    local job, steps = jobs.new { job_id = "20260131-120000-abcdef" }, {}
    for i, step in ipairs { ... } do
      steps[i] = { number = i, step = step[1], state = step[2], undo = "replayed", data = { name = step[1] } }
      for key, value in pairs(step[3] or {}) do steps[i][key] = value end
    end
    replay.load(job, { steps = steps, story = {}, job = {} })
    return job
  end

  local function step(job, name, plan)
    plan = plan or {}
    plan.undo = { "replayed", { name = name } }
    plan.act = plan.act or function() did[#did + 1] = name return true end
    return job:step(name, plan)
  end

  it("passes over what is done, with its result, its bytes and its hash", function()
    local job = taken_up({ "a", "done", { result = { id = 7 }, bytes = { copied = 5, through_host = 10 }, hash = "h" } })
    assert.same({ id = 7 }, step(job, "a"))
    assert.same({ copied = 5, through_host = 10 }, job.bytes)
    assert.equal("h", job.hash)
    assert.same({}, did)
  end)

  it("undoes what was cut off, and does it anew", function()
    local job = taken_up({ "a", "done" }, { "b", "started" })
    step(job, "a")
    step(job, "b")
    assert.same({ "b" }, undone)
    assert.same({ "b" }, did)
    assert.same({ "done", "undone", "done" }, { job.entries[1].state, job.entries[2].state, job.entries[3].state })
  end)

  it("does again what may be done again, on the same entry", function()
    local job = taken_up({ "a", "started" })
    step(job, "a", { again = true })
    assert.same({}, undone)
    assert.same({ "a" }, did)
    assert.equal(1, #job.entries)
  end)

  it("does not do what had its effect", function()
    local job = taken_up({ "a", "started" })
    assert.equal("found", step(job, "a", { again = true, found = function() return "found" end }))
    assert.same({}, did)
    assert.equal("done", job.entries[1].state)
  end)

  it("goes back to a step whose effect is gone, undoing what follows first", function()
    local job = taken_up({ "a", "done" }, { "b", "done" }, { "c", "started" })
    step(job, "a", { still = function() return false end })
    assert.same({ "c", "b", "a" }, undone)
    step(job, "b")
    assert.same({ "a", "b" }, did)
  end)

  it("does not ask whether something is still there that was given back", function()
    local job = taken_up({ "a", "released" })
    step(job, "a", { still = function() return false end })
    assert.same({}, undone)
  end)

  it("goes back when the steps have become others", function()
    local job = taken_up({ "a", "done" }, { "b", "done" })
    step(job, "a")
    step(job, "x")
    assert.same({ "b" }, undone)
    assert.same({ "x" }, did)
  end)

  it("never goes back past what cannot be made twice", function()
    local job = taken_up({ "a", "done" }, { "b", "done", { undo = "final" } }, { "c", "started" })
    local ok, err = pcall(step, job, "a", { still = function() return false end })
    assert.is_false(ok)
    assert.equal("job.resume", err.code)
    assert.same({}, undone)
  end)

  it("asks for its route to begin anew where a step cannot be gone on with", function()
    local job = taken_up({ "a", "started" })
    local ok, err = pcall(step, job, "a", { restart = true })
    assert.is_false(ok)
    assert.equal("job.restart", err.code)
  end)

  it("tries again what an earlier undo could not", function()
    local job = taken_up({ "a", "kept" }, { "b", "undone" })
    job:undo(nil, { kept_too = true })
    assert.same({ "a" }, undone)
  end)

  it("leaves to another host what only that can undo", function()
    for name, data in pairs { remove_scratch = { path = "/x/y", directory = "/x" }, run_thaw = { command = "false" } } do
      data.host = core.system.hostname() .. "-other"
      local ok, err = undo.run(name, data)
      assert.is_nil(ok)
      assert.is_true(errors.is(err))
      assert.equal("undo.elsewhere", err.code)
      assert.matches(data.host, err.message, 1, true)
    end
  end)
end)
