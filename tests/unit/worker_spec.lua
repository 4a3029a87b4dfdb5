-- Workers and batches on a simulated store: what they do about jobs that neither run nor wait.

local batch = require "siphon.batch"
local connections = require "siphon.connections"
local core = require "siphon.core"
local index = require "siphon.journal.index"
local records = require "siphon.journal.record"
local eventually = require "support.eventually"
local simulated = require "support.simulated_pool"
local workers = require "siphon.worker"

local ID = "20260131-120000-abcdef"

describe("siphon.worker", function()
  local world, pool, home, told, said

  before_each(function()
    world = simulated.world()
    pool, told, said, home = simulated.pool(world, "one"), {}, {}, connections.home
    function connections.home()
      return { pool = function() return pool end, close = function() end }
    end
  end)
  after_each(function() connections.home = home end)

  local function create()
    return assert(records.create(pool, ID, { id = ID, state = "running", source = "s", target = "t", started = 1 }, {}))
  end

  -- A worker of a batch of that one job, which looks at it at once.
  local function worker(looked)
    local put = { { id = ID, pool = pool, request = { source = "s", target = "t" } } }
    local ids = {}
    return assert(workers.new {
      caller = { journal_pool = "pool" }, only = { [ID] = true }, poll = 0.2,
      say = function(text) said[#said + 1] = { text = text, time = core.task.now() } end,
      looked = looked or function(live) batch.tell(put, ids, live, function(job) told[#told + 1] = job.state end) end,
    })
  end

  it("tells a batch of a job that is left alone", function()
    local record = create()
    record.holder.after = 4
    local text = require("siphon.json").encode(record.holder)
    assert(pool:omap_set("siphon.job." .. ID, { holder = text }))
    world.now = 1000
    worker():run()
    assert.same({ "abandoned" }, told)
    assert.matches("left alone", said[1].text)
  end)

  it("tells a batch of a job that failed, also when its line is behind", function()
    create():release { state = "failed", source = "s", target = "t" }
    assert.equal("failed", index.find(pool, ID).state)
    local text = index.text(pool, ID)
    assert(index.replace(pool, ID, text, { state = "running", source = "s", target = "t" }))
    worker():run()
    assert.same({ "failed" }, told)
  end)

  it("tells a batch of a job whose end was cut off before its line was put away", function()
    create()
    assert(index.replace(pool, ID, index.text(pool, ID), { state = "done", source = "s", target = "t" }))
    worker():run()
    assert.same({ "done" }, told)
  end)

  it("waits before it looks again when it could not look", function()
    create()
    local fails = false
    local own = worker(function() fails = true end)
    local omap_get = pool.omap_get
    function pool:omap_get(...)
      if fails then return nil, core.error { code = "EPERM", message = "no" } end
      return omap_get(self, ...)
    end
    local task = core.task.spawn(own.run, own)
    eventually("two looks", function() return #said >= 2 end)
    own:stop()
    task:join()
    assert.matches("cannot look at the queue", said[2].text)
    assert.is_true(said[2].time - said[1].time > 0.1, "it looked again at once")
  end)

  it("has a batch tell of every job at the end, also when nobody can know any more", function()
    create()
    local put = { { id = ID, pool = pool, request = { source = "s", target = "t" } } }
    local function tell(job) told[#told + 1] = job.state end
    batch.tell(put, {}, {}, tell)
    assert.same({}, told)
    batch.tell(put, {}, nil, tell)
    world.barred.one = true
    batch.tell(put, {}, {}, tell)
    batch.tell(put, {}, nil, tell)
    assert.same({ "running", "unknown" }, told)
  end)
end)
