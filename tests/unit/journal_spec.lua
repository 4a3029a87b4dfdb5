-- The journal and its lease on a simulated store: two holders whose operations are mixed at random, who are stopped for
-- longer than their lease, go on, or die. Whatever the order, no two of them act, nothing happens that is not on record,
-- and undos come in reverse.

local core = require "siphon.core"
local index = require "siphon.journal.index"
local jobs = require "siphon.job"
local queue = require "siphon.queue"
local records = require "siphon.journal.record"
local replay = require "siphon.replay"
local simulated = require "support.simulated_pool"
local undo = require "siphon.undo"

local ID = "20260131-120000-abcdef"
local STEPS = { "a", "b", "c", "d" }

local function new_job(record, pool)
  local job = jobs.new { job_id = ID }
  job.record, job.journal, job.connections = record, record, pool
  return job
end

describe("siphon.journal", function()
  describe("a record", function()
    local world, pool, other

    before_each(function()
      world = simulated.world()
      pool, other = simulated.pool(world, "one"), simulated.pool(world, "two")
    end)

    local function create()
      return assert(records.create(pool, ID, { id = ID, state = "running", source = "s", target = "t", started = 1 },
        simulated.connections(pool).addresses()))
    end

    local function take(by)
      return records.take(by or other, ID, simulated.connections(by or other), { no_wait = true })
    end

    it("is listed, with the request, from before it is written", function()
      create()
      assert.equal(ID, index.live(pool)[1].id)
      assert.equal("running", index.find(pool, ID).state)
    end)

    it("is not made under the id of another job, whether that is over or not", function()
      local there = create()
      for _ = 1, 2 do
        local record, err = records.create(other, ID, { id = ID, state = "running", source = "another" }, {})
        assert.is_nil(record)
        assert.equal("rados.conflict", err.code)
        assert.matches("another job has the id " .. ID, err.message, 1, true)
        assert.equal("s", index.find(pool, ID).source)
        if there then assert(there:finish({ state = "done", source = "s" }, {})) end
        there = nil
      end
    end)

    it("is not left half-made when it cannot be written", function()
      pool.lock = function() return nil, core.error { code = "EDQUOT", message = "full" } end
      local record, err = records.create(pool, ID, { state = "running" }, {})
      assert.is_nil(record)
      assert.equal("EDQUOT", err.code)
      assert.same({}, index.live(other))
      assert.is_nil(world.objects["siphon.job." .. ID])
    end)

    it("is not taken from a holder that lives", function()
      create()
      local record, err = take()
      assert.is_nil(record)
      assert.equal("job.held", err.code)
      assert.matches("pid %d+, user", err.message)
    end)

    it("is not taken twice by one connection", function()
      create()
      assert.equal("job.held", select(2, take(pool)).code)
    end)

    it("is taken when the lease ran out, and the former holder is barred and learns it", function()
      local former = create()
      world.now = 1000
      assert(take())
      assert.is_true(world.barred.one)
      local ok, err = former:put("step.0001", {})
      assert.is_nil(ok)
      assert.equal("lease.lost", err.code)
      ok, err = former:renew()
      assert.is_nil(ok)
      assert.equal("lease.lost", err.code)
    end)

    it("is over for who takes the lease just before its former holder ends it", function()
      local former, lock = create(), other.lock
      world.now = 1000
      function other:lock(...)
        local ok, err = lock(self, ...)
        assert(former:finish({ state = "done" }, {}))
        return ok, err
      end
      local record, err = take()
      assert.is_nil(record)
      assert.equal("job.over", err.code)
      assert.is_nil(world.objects["siphon.job." .. ID])
    end)

    it("counts those who died with it in a row, until it is given back", function()
      local function take_later(name)
        world.now = world.now + 1000
        local record = assert(take(simulated.pool(world, name)))
        return record, records.glance(record.pool, ID).holder.after
      end
      create()
      for i = 1, 3 do assert.equal(i, select(2, take_later("successor " .. i))) end
      assert(take_later "one who undoes":release { state = "failed" })
      assert.is_nil(select(2, take_later "one who tries anew"))
    end)

    it("is kept by a holder whose lease ran out and whom nobody succeeded", function()
      local record = create()
      world.now = 1000
      assert.is_true(record:renew())
      assert.is_true(record:put("step.0001", { step = "a" }))
      assert.equal("job.held", select(2, take()).code)
    end)

    it("that was given back is taken without barring anybody", function()
      local record = create()
      assert(record:release { state = "failed" })
      local _, there = take()
      assert.equal("failed", there.job.state)
      assert.same({}, world.barred)
    end)

    it("is not taken when the former holder cannot be barred", function()
      create()
      world.now = 1000
      other.cluster.blocklist = function() return nil, core.error { code = "EACCES", message = "no" } end
      local record, err = take()
      assert.is_nil(record)
      assert.equal("EACCES", err.code)
      assert.matches("cannot bar the former holder", err.message)
      assert.same({}, other:lockers("siphon.job." .. ID, "siphon.lease"))
    end)

    it("ends as one line of history and a story, and the history is bounded", function()
      local record = create()
      assert(record:finish({ state = "done", source = "s" }, { { time = 1, text = "begun" } }))
      assert.same({}, index.live(pool))
      assert.is_nil(world.objects["siphon.job." .. ID])
      local line, over = index.find(pool, ID)
      assert.equal("done", line.state)
      assert.is_true(over)
      assert.equal("begun", index.story(pool, ID)[1].text)
      for i = 1, 210 do assert(index.finish(pool, ("20260131-120000-%06x"):format(i), { state = "done" }, {})) end
      assert.equal(200, #index.history(pool))
      local keys = 0
      for _ in pairs(world.objects["siphon.jobs"].omap) do keys = keys + 1 end
      assert.equal(400, keys)
    end)

    it("that took long is kept in the history when those that began after it ended before", function()
      local record = create()
      for i = 1, 210 do
        assert(index.finish(pool, ("20260131-130000-%06x"):format(i), { state = "done", ended = i }, {}))
      end
      assert(record:finish({ state = "done", ended = 211 }, { { time = 211, text = "done" } }))
      assert.is_true(select(2, index.find(pool, ID)))
      assert.equal("done", index.story(pool, ID)[1].text)
      assert.equal(200, #index.history(pool))
      assert.is_nil(index.find(pool, "20260131-130000-00000b"))
      assert.equal("done", index.find(pool, "20260131-130000-00000c").state)
    end)

    it("whose end was cut off is put away by the next who comes", function()
      create()
      assert(index.replace(pool, ID, index.text(pool, ID), { state = "done" }))
      index.settle(other)
      assert.same({}, index.live(pool))
      assert.equal("done", index.history(pool)[1].state)
      assert.is_nil(world.objects["siphon.job." .. ID])
    end)
  end)

  describe("the queue", function()
    local HEADER = { id = ID, state = "queued", source = "s", target = "t", request = { source = "s" }, started = 1,
      queue = { priority = 0, attempts = 3, tried = 0 } }
    local world, pool, other

    before_each(function()
      world = simulated.world()
      pool, other = simulated.pool(world, "one"), simulated.pool(world, "two")
      assert(records.enqueue(pool, ID, HEADER))
    end)

    local function take(by)
      return records.take(by, ID, simulated.connections(by), { no_wait = true })
    end

    it("holds a job as a line, with all that it takes to begin it", function()
      local line = index.live(other)[1]
      assert.equal("queued", line.state)
      assert.same({ source = "s" }, line.request)
      assert.is_nil(world.objects["siphon.job." .. ID])
    end)

    it("gives a job another id when the one that it drew is another job's", function()
      local real, drawn = jobs.new_id, { ID, ID, "20260131-120000-fedcba" }
      finally(function() jobs.new_id = real end)
      function jobs.new_id() return table.remove(drawn, 1) end
      local id, place = queue.put({ request = { source = { pool = "pool" }, target = { kind = "glance" } }, record = {},
        queue = {} }, { pool = function() return pool end, target_fsid = function() end })
      assert.equal("20260131-120000-fedcba", id)
      assert.equal(pool, place)
      assert.equal("s", index.find(pool, ID).source)
      assert.equal("queued", index.find(pool, id).state)
    end)

    it("gives a job to one, in whatever order two ask", function()
      for seed = 1, 100 do
        local random, order = seed, {}
        world = simulated.world(function()
          random = random * 6364136223846793005 + 1442695040888963407
          for _ = 1, (random >> 33) % 3 do core.task.sleep(0) end
        end)
        pool, other = simulated.pool(world, "one"), simulated.pool(world, "two")
        assert(records.enqueue(pool, ID, HEADER))
        local function worker(by)
          return function()
            for _ = 1, 3 do
              local line = index.live(by)[1]
              local record, err
              if line then record, err = take(by) end
              if record then
                order[#order + 1] = by.client
                assert(record:finish({ state = "done" }, {}))
                return
              end
              assert.is_true(line == nil or err:is("job.held", "job.over", "rados.conflict"), tostring(err))
            end
          end
        end
        core.task.scope(function()
          local tasks = { core.task.spawn(worker(pool)), core.task.spawn(worker(other)) }
          for _, task in ipairs(tasks) do task:join() end
        end)
        assert.equal(1, #order, "seed " .. seed)
        assert.same({}, index.live(pool))
        assert.is_nil(world.objects["siphon.job." .. ID], "seed " .. seed)
      end
    end)

    it("does not bring back a job that ended while somebody reached for it", function()
      assert(take(pool):finish({ state = "done" }, {}))
      local record, err = take(other)
      assert.is_nil(record)
      assert.equal("job.over", err.code)
      assert.is_nil(world.objects["siphon.job." .. ID])
      assert.same({}, index.live(pool))
    end)

    it("gets a job back with its story, and without the steps of what failed", function()
      local record = assert(take(pool))
      assert(record:put("step.0001", { number = 1, step = "a", state = "undone" }))
      record:put_later("story.0001", { text = "begun" })
      local again = { state = "queued", source = "s", target = "t", queue = { priority = 0, attempts = 3, tried = 1 } }
      assert(record:put_back(again, { { time = 1, text = "begun" }, { time = 2, text = "failed" } }, 1))
      assert.equal(1, index.live(pool)[1].queue.tried)
      local _, there = take(other)
      assert.equal(1, there.job.queue.tried)
      assert.same({}, there.steps)
      assert.equal("failed", there.story[2].text)
      assert.same({}, world.barred)
    end)
  end)

  describe("with two holders, in any order", function()
    local seed, world, events, made, refused

    -- Effects are seen by whoever looks, in the order in which they come, with who made them.
    local function effect(pool, kind, name)
      world.turn(pool.client)
      if world.barred[pool.client] then return nil, core.error { code = "ESHUTDOWN", message = "barred" } end
      local entries = world.objects["siphon.job." .. ID]
      events[#events + 1] = { by = pool.client, kind = kind, name = name,
        recorded = entries and entries.omap.holder and entries.omap.holder:find(pool.client, 1, true) ~= nil }
      made[name] = kind == "do" or nil
      return true
    end

    setup(function()
      undo.actions.simulated = { thing = function(data) return data.name end, done = "undone",
        run = function(data, pool) return effect(pool, "undo", data.name) end }
    end)
    teardown(function() undo.actions.simulated = nil end)

    local function work(job, pool)
      for _, name in ipairs(STEPS) do
        job:step(name, { undo = { "simulated", { name = name } }, act = function() return effect(pool, "do", name) end })
      end
      assert(job.record:finish({ state = "done" }, {}))
    end

    -- Until the job is over or somebody else's: works on it, or undoes it.
    local function holder(client, wants)
      local pool = simulated.pool(world, client)
      local connections = simulated.connections(pool)
      if client == "one" then
        local record = records.create(pool, ID, { id = ID, state = "running" }, connections.addresses())
        if record then pcall(work, new_job(record, pool), pool) else refused = true end
        return
      end
      for _ = 1, 400 do
        local line, over = index.find(pool, ID)
        if over == true then return end
        local record, there
        if line then record, there = records.take(pool, ID, connections, { no_wait = true }) end
        if record then
          local job = new_job(record, pool)
          there.job = there.job or {}
          replay.load(job, there)
          if wants == "resume" then
            if pcall(work, job, pool) then return end
          else
            job:undo()
            assert(record:finish({ state = "undone" }, {}))
            return
          end
        end
        world.turn(client)
      end
    end

    -- Gives turns to the holders at random; "one" may be stopped for a while, or for good.
    local function play(wants)
      local random = seed
      local function pick(n)
        random = random * 6364136223846793005 + 1442695040888963407
        return (random >> 33) % n + 1
      end
      local waiting, over = {}, {}
      world = simulated.world(function(client)
        waiting[client] = true
        while waiting[client] do core.task.sleep(0) end
      end)
      events, made, refused = {}, {}, false
      core.task.scope(function()
        local tasks = {}
        for _, client in ipairs { "one", "two" } do
          tasks[client] = core.task.spawn(function()
            holder(client, wants)
            over[client] = true
          end)
        end
        local stopped, turns = 0, 0
        while not over.two do
          turns = turns + 1
          assert(turns < 5000, "it does not end")
          if stopped == 0 and pick(20) == 1 then stopped = pick(3) == 1 and math.huge or pick(40) end
          local client = stopped == 0 and pick(4) > 1 and "one" or "two"
          if over[client] then client = "two" end
          world.now = world.now + pick(3)
          if stopped > 0 then stopped = stopped - 1 end
          core.task.sleep(0)
          waiting[client] = nil
          core.task.sleep(0)
        end
        -- The one who was stopped wakes up.
        for _ = 1, 200 do
          waiting.one = nil
          core.task.sleep(0)
          if over.one then break end
        end
        tasks.one:cancel()
      end)
    end

    local function story()
      local words = {}
      for i, e in ipairs(events) do words[i] = ("%s %s %s"):format(e.by, e.kind, e.name) end
      return ("seed %d: %s"):format(seed, table.concat(words, ", "))
    end

    local function check(wants)
      -- "two" reached for it just before "one" had the lease, and "one" took its line out: there never was a job.
      if refused and #events == 0 then return end
      local second, last_undone = false, math.huge
      for _, e in ipairs(events) do
        if e.by == "two" then second = true end
        assert.is_false(second and e.by == "one", "two holders acted; " .. story())
        if e.kind == "undo" and wants == "undo" then
          local number = e.name:byte()
          assert.is_true(number < last_undone, "undone in another order; " .. story())
          last_undone = number
        end
      end
      local left = {}
      for name in pairs(made) do left[#left + 1] = name end
      table.sort(left)
      if wants == "undo" and second then assert.same({}, left, story()) end
      if wants == "resume" then assert.same(STEPS, left, story()) end
    end

    for _, wants in ipairs { "resume", "undo" } do
      it(("the job is done or undone once (%s)"):format(wants), function()
        local took_over = 0
        for i = 1, 150 do
          seed = i
          play(wants)
          check(wants)
          if events[#events] and events[#events].by == "two" then took_over = took_over + 1 end
        end
        assert.is_true(took_over > 20)
      end)
    end
  end)
end)
