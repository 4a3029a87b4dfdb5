local core = require "siphon.core"
local event = require "siphon.event"
local sinks = require "siphon.sinks"
local progress = require "siphon.progress"

describe("siphon.event", function()
  local JOB = "20260131-093501-4f9a1c"
  local now, real_now

  before_each(function()
    now, real_now = 100, core.task.now
    core.task.now = function() return now end
  end)
  after_each(function() core.task.now = real_now end)

  local function recorder()
    local events = {}
    return events, function(e) events[#events + 1] = e end
  end

  it("adds the job, the name and the time", function()
    local events, sink = recorder()
    event.emitter(JOB, { sink }):emit("step", { step = "x", state = "done" })
    assert.equal("step", events[1].event)
    assert.equal(JOB, events[1].job)
    assert.near(os.time(), events[1].time, 2)
    assert.equal("x", events[1].step)
  end)

  it("lets at most ten progress events a second through, and always the last one", function()
    local events, sink = recorder()
    local emitter = event.emitter(JOB, { sink })
    for i = 1, 3000 do
      now = 100 + i / 1000
      emitter:progress { step = "copy", done = i, total = 3000, rate = 1000 }
    end
    assert.equal(3000, events[#events].done)
    assert.is_true(#events <= 30 and #events >= 20, #events .. " events in 3 seconds")
  end)

  it("drops a sink that raises and keeps the others", function()
    local events, sink = recorder()
    local calls = 0
    local emitter = event.emitter(JOB, { function() calls = calls + 1 error "broken pipe" end, sink })
    emitter:emit("step", { step = "x", state = "started" })
    emitter:emit("step", { step = "x", state = "started" })
    assert.equal(1, calls)
    assert.equal(2, #events)
  end)

  it("appends each event to the file that SIPHON_EVENT_LOG names, whatever else is shown", function()
    local command = require "support.command"
    local path = os.tmpname()
    local script = [[siphon = require "siphon"
      local event = require "siphon.event"
      local emitter = event.emitter("20260131-093501-4f9a1c", {})
      emitter:emit("step", { step = "x", state = "started", detail = "two\nlines" })
      emitter:emit("step", { step = "x", state = "done" })]]
    local file = os.tmpname()
    local out <close> = assert(io.open(file, "w"))
    out:write(script)
    out:close()
    local result = command.run({ "run", file }, { env = { SIPHON_EVENT_LOG = path } })
    assert.same({ 0, "", "" }, { result.code, result.out, result.err })
    local lines = {}
    for line in io.lines(path) do lines[#lines + 1] = line end
    assert.equal(2, #lines)
    assert.matches('"detail":"two\\nlines".*"state":"started"', lines[1])
    result = command.run({ "run", file }, { env = { SIPHON_EVENT_LOG = "/nowhere/at/all" } })
    assert.equal(0, result.code)
    assert.matches("an event sink failed.*/nowhere/at/all", result.err)
    os.remove(path)
    os.remove(file)
  end)
end)

describe("siphon.sinks", function()
  local function collect(make, ...)
    local parts = {}
    local sink = make(function(text) parts[#parts + 1] = text end, ...)
    return sink, function() return table.concat(parts) end
  end

  local START = { event = "job.start", job = "j1", source = "volumes/vm1", target = "glance:golden" }
  local DONE = { event = "job.done", job = "j1", source = "volumes/vm1", target = "glance:golden", route = "copy",
    image_id = "1234", bytes = { size = 1 << 30, through_host = 2 << 30 }, seconds = 3.4 }
  local function step(state, fields)
    local e = { event = "step", job = "j1", step = "target.create", state = state, detail = "image images/1234" }
    for key, value in pairs(fields or {}) do e[key] = value end
    return e
  end
  local function moved(done)
    return { event = "progress", job = "j1", step = "target.copy", detail = "copying", done = done << 20, total = 100 << 20,
      rate = 10 << 20, seconds_left = 9 }
  end

  it("names the image where there is no Glance, with the null of an event too", function()
    local sink, text = collect(sinks.lines, {})
    local done = { event = "job.done", target = "images/copy", route = "copy", image_id = require("siphon.json").null,
      bytes = DONE.bytes, seconds = 1 }
    sink(done)
    assert.matches("^images/copy is complete: 1.0 GiB in 1.0 s by route copy", text())
  end)

  it("ends with where the image is, and what the usual way would have moved", function()
    local sink, text = collect(sinks.lines, {})
    local function done(bytes, route)
      sink { event = "job.done", target = "glance:golden", route = route, image_id = "1234", seconds = 6.7,
        location = "rbd://f51d/images/1234/snap", bytes = bytes }
    end
    done({ size = 1 << 30, allocated = 512 << 20, copied = 512 << 20, through_host = 0 }, "osd_copy")
    assert.equal("Glance image 1234 is active in pool images: 1.0 GiB in 6.7 s by route osd_copy, 0 B through this host "
      .. "(Cinder's upload-to-image would have moved about 2.5 GiB)\n", text())
    done({ size = 1 << 30, allocated = 0, copied = 0, through_host = 2 << 30 }, "copy")
    assert.matches("2.0 GiB through this host\n$", text())
  end)

  it("writes a line a step and a summary into a pipe, without control characters", function()
    local sink, text = collect(sinks.lines, {})
    for _, e in ipairs { START, step "started", step "done", moved(10), moved(11), DONE } do sink(e) end
    assert.equal("volumes/vm1 -> glance:golden\nimage images/1234\n"
      .. "copying: 10%, 10 MiB of 100 MiB, 10 MiB/s, 9.0 s left\n"
      .. "Glance image 1234 is active: 1.0 GiB in 3.4 s by route copy, 2.0 GiB through this host\n", text())
    assert.is_nil(text():find("[\27\r]"))
  end)

  it("says what was undone, what was not, and why a route was left", function()
    local sink, text = collect(sinks.lines, {})
    sink(step("undone", { detail = "image images/1234 removed" }))
    sink(step("kept", { detail = "snapshot x removed", reason = "it has a clone by now" }))
    sink(step("unsuitable", { detail = "route clone_flatten", reason = "not supported" }))
    assert.equal("undone: image images/1234 removed\nleft as it is: snapshot x removed: it has a clone by now\n"
      .. "not possible: route clone_flatten: not supported\n", text())
  end)

  it("leaves progress out when asked, and says more when asked", function()
    local sink, text = collect(sinks.lines, { no_progress = true, verbose = true })
    for _, e in ipairs { START, step "started", step("done", { seconds = 0.5 }), moved(10) } do sink(e) end
    assert.equal("volumes/vm1 -> glance:golden\njob j1\ncreating the image ...\nimage images/1234 (0.5 s)\n", text())
  end)

  it("redraws a bar on a terminal and leaves only lines behind", function()
    local sink, text = collect(sinks.terminal, { charset = progress.ascii, columns = function() return 80 end })
    for _, e in ipairs { START, step "started", step "done", moved(10), moved(100), DONE } do sink(e) end
    local final = text():gsub("[^\n]*\r", "")
    assert.matches("volumes/vm1 %-> glance:golden", final)
    assert.matches("Glance image 1234 is active", final)
    assert.is_nil(final:find("%%"))
    assert.matches("\nvolumes/vm1 +#+[^\n]*100%%", text())
    assert.is_nil(text():find("\27%[3"))
  end)

  it("has a bar for each job, with its route, and says whose the lines are", function()
    local sink, text = collect(sinks.terminal, { charset = progress.ascii, columns = function() return 100 end })
    local function send(job, fields)
      fields.job = job
      sink(fields)
    end
    for i = 1, 2 do send("j" .. i, { event = "job.start", source = "volumes/vm" .. i, target = "glance:g" .. i }) end
    send("j1", { event = "step", step = "route", state = "chosen", route = "copy", detail = "route copy" })
    local function moved_by(job, done)
      send(job, { event = "progress", step = "target.copy", done = done, total = 100, rate = 1 })
    end
    moved_by("j1", 100)
    moved_by("j2", 100)
    assert.matches("volumes/vm1 %(copy%)  #+ .-100%%[^\n]*\nvolumes/vm2  #+ .-100%%[^\n]*$", text())
    send("j1", { event = "step", step = "x", state = "done", detail = "data copied" })
    assert.matches("\27%[1A\r\27%[Jvolumes/vm1: data copied\nvolumes/vm2  #[^\n]*$", text())
    moved_by("j1", 100)
    send("j2", { event = "job.failed", error = { message = "no room" } })
    assert.matches("volumes/vm2: failed: no room\nvolumes/vm1 %(copy%)[^\n]*$", text())
    send("j1", { event = "job.done", target = "glance:g1", route = "copy", image_id = "1", bytes = DONE.bytes,
      seconds = 1 })
    assert.matches("\r\27%[JGlance image 1 is active[^\n]*\n$", text())
  end)

  it("does not fill the terminal with bars", function()
    local sink, text = collect(sinks.terminal, { charset = progress.ascii, columns = function() return 60 end })
    for i = 1, 20 do
      sink { event = "progress", job = "j" .. i, step = "s", done = 1, total = 1, rate = 1 }
    end
    local last = text():match ".*\27%[J(.*)$"
    assert.equal(8, select(2, last:gsub("\n", "")))
    assert.matches("%.%.%. and 12 more$", last)
  end)

  it("takes away the rows that a narrower window has made of a line", function()
    local columns = 100
    local sink, text = collect(sinks.terminal, { charset = progress.ascii, columns = function() return columns end })
    local function moved_to(done) sink { event = "progress", job = "j", step = "s", done = done, total = 1, rate = 1 } end
    moved_to(1)
    columns = 30
    moved_to(1)
    local _, up = text():match "^(.-)\27%[(%d+)A\r\27%[J"
    assert.is_true(tonumber(up) >= 1)
  end)

  it("colours only when asked", function()
    local sink, text = collect(sinks.terminal, { charset = progress.ascii, colour = true, columns = function() return 80 end })
    sink(DONE)
    assert.matches("\27%[32m", text())
  end)

  it("follows the width of the terminal", function()
    local columns = 100
    local sink, text = collect(sinks.terminal, { charset = progress.ascii, columns = function() return columns end })
    sink(moved(50))
    local wide = #text()
    columns = 20
    sink(moved(51))
    assert.is_true(#text() - wide < 30)
  end)
end)
