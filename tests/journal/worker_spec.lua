-- Workers on the real bed: what they take and when, how they end, and that each job is done once whatever happens to them.

local core = require "siphon.core"
local json = require "siphon.json"

local bed = require "support.bed"
local command = require "support.command"
local eventually = require "support.eventually"
local ground = require "support.ground"
local queue = require "support.queue"
local servers = require "support.servers"
local watches = require "support.watches"

local submit, shown = queue.submit, queue.shown

local VOLUME = { size = 8, data = { { 0, 2 }, { 5, 1 } } }

describe("siphon worker", function()
  local here, spec, name, expected, workers

  setup(function()
    here = ground.new(VOLUME)
    spec, name, expected = here.spec, here.name, here.md5
    queue.open(spec, "images/" .. name)
  end)
  teardown(function() here:clear() end)
  before_each(function() workers = {} end)
  after_each(function()
    for _, worker in ipairs(workers) do worker:signal "KILL" end
    here:assert_clean()
  end)

  local function worker(arguments, env)
    env = env or {}
    env.SIPHON_LEASE = env.SIPHON_LEASE or "2"
    local process = command.start({ "worker", "--poll", "1", table.unpack(arguments or {}) }, { env = env })
    workers[#workers + 1] = process
    return process
  end

  local function once(...)
    local result = worker({ "--once", ... }):wait(120)
    assert.equal(0, result.code, result.err)
    return result.out
  end

  local function target(i) return ("images/%s-%d"):format(name, i) end

  -- In what order the jobs began, by what the worker printed.
  local function order(out)
    local ids = {}
    for id in out:gmatch "(%d+%-%d+%-%x+): %S+ %-> " do ids[#ids + 1] = id end
    return ids
  end

  it("does what is in the queue: by priority, then by age, and not before its time", function()
    local low = submit(spec, target(1), "--priority=-1")
    local old = submit(spec, target(2))
    core.task.sleep(1.1) -- ids sort by the second
    local new = submit(spec, target(3))
    local high = submit(spec, target(4), "--priority", "1")
    local later = submit(spec, target(5), "--not-before", "+1h", "--priority", "9")
    assert.same({ high, old, new, low }, order(once()))
    assert.equal("queued", shown(later).state)
    command.run { "cancel", later }
    for i = 1, 4 do
      assert.equal(expected, bed.md5(target(i)))
      bed.remove(target(i))
    end
  end)

  it("is woken by who submits, and does several at once", function()
    local process = worker({ "--concurrency", "2", "--poll", "3600" })
    process:wait_for "2 at once"
    for i = 1, 2 do submit(spec, target(i)) end
    process:wait_for("is complete.*is complete", 120)
    process:signal "TERM"
    local result = process:wait(30)
    assert.equal(0, result.code, result.err)
    -- A job says that it is complete a moment before the worker is done with it.
    assert.matches("takes no more jobs; [012] to finish", result.out)
    for i = 1, 2 do bed.remove(target(i)) end
  end)

  it("keeps to its limit for one source pool", function()
    for i = 1, 3 do submit(spec, target(i), "--freeze-command", "sleep 1", "--thaw-command", "true") end
    local process = worker { "--once", "--concurrency", "3", "--per-pool", "1", "--json" }
    local running, most = 0, 0
    local result = process:wait(120)
    for _, e in ipairs(command.events(result.out)) do
      if e.event == "job.start" then running = running + 1 end
      if e.event == "job.done" then running = running - 1 end
      most = math.max(most, running)
    end
    assert.equal(1, most)
    for i = 1, 3 do bed.remove(target(i)) end
  end)

  it("ends when its jobs are over, and by a second signal puts them back", function()
    local id = submit(spec, target(1), "--freeze-command", "sleep 3", "--thaw-command", "true")
    local waits = submit(spec, target(2), "--priority=-1")
    local process = worker()
    process:wait_for(id:gsub("%-", "%%-") .. ": volumes")
    process:signal "TERM"
    local result = process:wait(60)
    assert.equal(0, result.code, result.err)
    assert.matches("1 to finish", result.out)
    assert.equal("done", shown(id).state)
    assert.equal("queued", shown(waits).state)
    command.run { "cancel", waits }
    bed.remove(target(1))

    id = submit(spec, target(1), "--freeze-command", "sleep 60", "--thaw-command", "true")
    process = worker()
    process:wait_for(id:gsub("%-", "%%-") .. ": volumes")
    core.task.sleep(0.5)
    process:signal "TERM"
    process:wait_for "1 to finish"
    process:signal "TERM"
    result = process:wait(60)
    assert.equal(0, result.code, result.err)
    local job = shown(id)
    assert.equal("queued", job.state)
    assert.equal(0, job.queue.tried)
    assert.matches("interrupted: back into the queue", command.run({ "job", id }).out)
    command.run { "cancel", id }
  end)

  it("tries again what may go away, as often as it may", function()
    local server = servers.start()
    server:script { ["POST /v2/images"] = { { status = 503, body = "later" } },
      ["GET /v2/images"] = { { status = 200, body = { images = {} } } } }
    local id = submit(spec, "glance:" .. name, "--pool", "images", "--attempts", "2")
    local process = worker({}, { OS_ENDPOINT = server.url, OS_AUTH_TYPE = "none", SIPHON_RETRY = "1" })
    local job = eventually("the last attempt", function()
      local job = shown(id)
      return job.state == "failed" and job
    end, 60)
    process:signal "TERM"
    assert.equal(0, process:wait(60).code)
    server:stop()
    assert.equal(2, job.queue.tried)
    local story = command.run({ "job", id }).out
    assert.matches("attempt 1 of 2 failed: .*; again after .*attempt 2 of 2 failed, and was the last", story)
    assert.equal(0, command.run({ "undo", id }).code)
  end)

  it("says why a job failed that names what is not there", function()
    local id = submit(spec, "nowhere/" .. name)
    local result = worker({ "--once" }):wait(120)
    assert.equal(0, result.code, result.err)
    assert.matches(id:gsub("%-", "%%-") .. ": there is no pool 'nowhere'.*%(ENOENT%)", result.err .. result.out)
    assert.equal("failed", shown(id).state)
    assert.equal(0, command.run({ "undo", id }).code)
  end)

  it("takes over what another abandoned, a plain copy too", function()
    local copy = command.start({ "copy", spec, target(1), "--quiet", "--route", "copy" },
      { env = { SIPHON_FAULT = "kill target.copy/rbd.copy_data/half", SIPHON_LEASE = "1" } })
    assert.equal(137, copy:wait(60).code)
    eventually("its lease to run out", function() return command.run({ "jobs" }).out:find "abandoned" end, 60)
    once()
    assert.equal(expected, bed.md5(target(1)))
    bed.remove(target(1))
  end)

  describe("that takes over what was abandoned, when its source is gone", function()
    -- Submits a copy of a volume of its own, kills who does it, removes the volume, and has another worker look at it.
    local function orphan(point, ...)
      local volume = bed.volume()
      local id = submit(volume, target(1), "--route", "copy", ...)
      local killed = worker({}, { SIPHON_FAULT = "kill " .. point, SIPHON_LEASE = "1" })
      assert.equal(137, killed:wait(60).code)
      local md5 = bed.md5(volume)
      bed.remove(volume)
      eventually("its lease to run out", function() return shown(id).state == "abandoned" end, 60)
      return id, worker({ "--once" }):wait(120), md5
    end

    it("gives up a job from the queue, with the reason, and undoes it", function()
      local id, result = orphan "target.copy/rbd.copy_data/half"
      assert.equal(0, result.code, result.err)
      assert.matches("there is no image", result.err .. result.out)
      local job = shown(id)
      assert.equal("failed", job.state)
      assert.equal("ENOENT", job.error.code)
      assert.equal(1, job.queue.tried)
      assert.equal(0, command.run({ "undo", id }).code)
    end)

    it("finishes one whose image is there", function()
      local id, result, md5 = orphan "job.complete/rados.omap_set"
      assert.equal(0, result.code, result.err)
      assert.equal("done", shown(id).state)
      assert.equal(md5, bed.md5(target(1)))
      bed.remove(target(1))
    end)
  end)

  it("leaves alone what five died with, one after the other, until a person goes on with it", function()
    local id = submit(spec, target(1), "--route", "copy")
    local killed = worker({}, { SIPHON_FAULT = "kill target.copy/rbd.copy_data/half", SIPHON_LEASE = "1" })
    assert.equal(137, killed:wait(60).code)
    eventually("its lease to run out", function() return shown(id).state == "abandoned" end, 60)
    local volumes, object = bed.pool "volumes", "siphon.job." .. id
    local holder = assert(volumes:omap_get(object, { keys = { "holder" } })).holder
    assert(volumes:omap_set(object, { holder = (holder:gsub("}$", ',"after":4}')) }))
    local result = worker({ "--once" }):wait(120)
    assert.equal(0, result.code, result.err)
    assert.matches("5 processes died with it, one after the other: it is left alone", result.err .. result.out)
    assert.equal("abandoned", shown(id).state)
    assert.equal(0, command.run({ "resume", id }).code)
    assert.equal(expected, bed.md5(target(1)))
    bed.remove(target(1))
  end)

  it("does each job once, though a worker is killed twice", function()
    local COUNT = 40
    local ids, volumes = {}, {}
    for i = 1, COUNT do
      local to = i % 2 == 0 and { "glance:" .. name .. "-" .. i, "--pool", "images" } or { target(i) }
      -- A volume each: librbd 16.2 may abort when many open and close one image at once (AsyncOpTracker, in its closing).
      volumes[i] = bed.volume(VOLUME)
      ids[i] = submit(volumes[i], table.unpack(to))
    end
    local steady = worker { "--concurrency", "3" }
    local victim
    for round = 1, 3 do
      victim = worker { "--concurrency", "3", "--json" }
      if round < 3 then
        victim:wait_for "target.copy"
        core.task.sleep(0.3 * round)
        victim:signal "KILL"
        assert.equal(137, victim:wait(30).code)
      end
    end
    eventually("an empty queue", function()
      local jobs = command.run({ "jobs", "--json" }).out
      -- Ceph may keep a watch of what was killed, and then nobody can remove what it is on.
      for line in jobs:gmatch "[^\n]+" do
        local job = json.decode(line)
        watches.drop_dead(bed.pool "images", "siphon-" .. job.id)
        if job.image_id ~= json.null then watches.drop_dead(bed.pool "images", job.image_id) end
      end
      return jobs == ""
    end, 300)
    for _, process in ipairs { steady, victim } do
      process:signal "TERM"
      local result = process:wait(60)
      assert.equal(0, result.code, result.err)
    end
    local taken_over = 0
    for i, id in ipairs(ids) do
      local job = shown(id)
      assert.equal("done", job.state, id)
      local ends = 0
      for _, line in ipairs(job.story) do
        if line.text == "done" then ends = ends + 1 end
        if line.text:find "^taken over" then taken_over = taken_over + 1 end
      end
      assert.equal(1, ends, id)
      if i % 2 == 0 then
        local images = bed.glance_images(name .. "-" .. i)
        assert.equal(1, #images)
        assert.equal("active", images[1].status)
        assert.equal(job.image_id, images[1].id)
        assert.equal(expected, bed.md5("images/" .. images[1].id))
        watches.settle(bed.pool "images", images[1].id)
        bed.delete_glance_image(images[1].id)
      else
        assert.equal(expected, bed.md5(target(i)))
        watches.settle(bed.pool "images", target(i):match "/(.*)")
        bed.remove(target(i))
      end
      watches.settle(bed.pool "volumes", volumes[i]:match "/(.*)")
      bed.remove(volumes[i])
    end
    assert.is_true(taken_over > 0, "no job was cut off: the spec proves nothing")
  end)
end)
