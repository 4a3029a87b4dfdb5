-- The parts of a report that need no cluster.
local axis = require "siphon.report.axis"
local html = require "siphon.report.html"
local model = require "siphon.report.model"
local movers = require "siphon.movers"
local page = require "siphon.report.page"
local story = require "siphon.story"

describe("a report's axis", function()
  it("gives what happens a place between 0 and 1, in order", function()
    local time = axis.new { { from = 100, to = 110 }, { from = 105, to = 120 } }
    assert.equal(0, time:at(100))
    assert.equal(0.5, time:at(110))
    assert.equal(1, time:at(120))
    assert.same({}, time:cuts())
    local ticks = time:ticks()
    assert.same({ at = 0, text = "0" }, ticks[1])
    assert.equal("20 s", ticks[#ticks].text)
  end)

  it("cuts a day in which nothing happened, and says so", function()
    local time = axis.new { { from = 0, to = 10 }, { from = 86400, to = 86410 } }
    assert.equal(1, #time:cuts())
    assert.equal(86390, time:cuts()[1].seconds)
    assert.is_true(time:at(10) > 0.4 and time:at(86400) < 0.6)
    assert.near(1, time:at(86410), 1e-9)
    local texts = {}
    for i, tick in ipairs(time:ticks()) do texts[i] = tick.text end
    assert.equal("0, 5 s, 10 s, 24:00:00, 24:00:05, 24:00:10", table.concat(texts, ", "))
    local last = -1
    for now = 0, 86410, 10 do
      assert.is_true(time:at(now) >= last)
      last = time:at(now)
    end
  end)

  it("bears jobs that took no time at all, and many of them", function()
    assert.equal(0, axis.new({ { from = 5, to = 5 } }):at(5))
    local many = {}
    for i = 1, 500 do many[i] = { from = i * 1000, to = i * 1000 } end
    local time = axis.new(many)
    assert.is_true(time:at(500000) <= 1)
  end)
end)

describe("a report's HTML", function()
  it("escapes what is text, wherever it stands", function()
    assert.equal('<p class="&quot;&gt;">&lt;b&gt; &amp; &#39;</p>', html.tag("p", { class = '">' }, "<b> & '").text)
    assert.equal("<p><b>x</b></p>", html.tag("p", {}, { html.tag("b", {}, "x"), false }).text)
  end)

  it("replaces what is no text", function()
    assert.equal("a\u{FFFD}b\u{FFFD}\u{FFFD}\n", html.escape "a\255b\0\27\n")
    assert.is_not_nil(utf8.len(html.escape "\xc3\x28\xf0\x9f"))
  end)
end)

describe("a report's model", function()
  local function record()
    return {
      story = { { time = 10, text = "begun", kind = "holder" },
        { time = 12, text = "route copy is taken", kind = "route", route = "copy", state = "chosen", reason = "r" },
        { time = 40, text = "taken over by host2", kind = "holder" } },
      steps = {
        { step = "glance.create", state = "done", began = 11, seconds = 1, detail = "Glance record 1", undo = "u" },
        { step = "target.copy", state = "started", began = 13 },
      },
    }
  end
  local function job(fields)
    local one = { id = "20260101-000000-000000", state = "abandoned", source = "a/b", target = "glance:c", route = "copy",
      journal = "volumes", started = 10, updated = 41, story = story.of(record(), false) }
    for key, value in pairs(fields or {}) do one[key] = value end
    return one
  end

  it("draws a step that was cut off to when somebody took over", function()
    local view = model.of({ job() }, 100).jobs[1]
    local line = view.lines[4]
    assert.same({ "target.copy", "cut off", "bytes", 13, 40 }, { line.step, line.state, line.phase, line.from, line.to })
    assert.is_true(view.is_short)
    assert.same({ { route = "copy", state = "chosen", reason = "r" } }, view.routes)
    assert.equal("Glance record 1", view.effects.pending[1].text)
  end)

  it("tells a step that failed and was undone from one that was done", function()
    local lines = story.of({ steps = { { step = "target.create", state = "undone", failed = true, began = 1, seconds = 1,
      settled = 3, undo = "u", detail = "image x" } } }, false)
    assert.same({ "failed", "creating the image: failed" }, { lines[1].state, lines[1].text })
    assert.same({ "undo", "undone", "undone: image x" }, { lines[2].kind, lines[2].state, lines[2].text })
  end)

  it("says who moved what, by route", function()
    local function moved(route, step, copied, through_host)
      local list = {}
      for i, entry in ipairs(movers.of { route = route, story = {
        { kind = "step", step = step, bytes = { copied = copied, through_host = through_host } } } }) do
        list[i] = ("%s %d%s"):format(entry.who, entry.bytes, entry.counted and "" or "?")
      end
      return table.concat(list, ", ")
    end
    assert.equal("the OSDs 10", moved("osd_copy", "target.copy", 10, 0))
    assert.equal("siphon's host 20, the OSDs 10", moved("osd_copy", "target.copy", 10, 20))
    assert.equal("siphon's host 20", moved("copy", "target.copy", 10, 20))
    assert.equal("siphon's host 18, glance-api 10?", moved("upload", "glance.upload", 10, 18))
    assert.equal("ceph-mgr 20?", moved("instant", "target.map", 10, 0))
    assert.equal("", moved("clone", "target.clone", 0, 0))
  end)

  it("makes a page of a record that says next to nothing", function()
    local text = page.of({ { id = "1", state = "abandoned", journal = "volumes", story = {} } }, 100)
    assert.matches("Nothing is on record", text)
    assert.matches("</html>\n$", text)
  end)
end)
