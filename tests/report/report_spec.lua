-- `siphon report` on jobs of the bed, looked at by a real browser.
local json = require "siphon.json"

local bed = require "support.bed"
local command = require "support.command"
local eventually = require "support.eventually"
local fences = require "support.fences"

describe("siphon report", function()
  local before, barred, directory, spec, plain, names, ids

  local function copy(arguments, env)
    return command.run({ "copy", "--quiet", "--pool", "images", table.unpack(arguments) }, { env = env })
  end

  local function job_of(target)
    for line in command.run({ "jobs", "--all", "--json" }).out:gmatch "[^\n]+" do
      local entry = json.decode(line)
      if entry.target == target then return entry end
    end
  end

  -- Three real jobs: one that was done, one that failed and was undone, one that was killed and resumed.
  setup(function()
    before, barred = bed.inventory(), fences.standing()
    directory = command.shell("mktemp -d"):gsub("%s+$", "")
    spec = bed.volume { name = bed.name "<script>" }
    plain = bed.volume()
    names = { done = bed.name "<img src=x onerror=alert(1)> & \"quotes\"", undone = bed.name "undone",
      resumed = bed.name "resumed" }
    assert.equal(0, copy({ spec, "glance:" .. names.done }).code)
    local policy <close> = assert(io.open(directory .. "/refuses.lua", "w"))
    policy:write [[
      return {
        routes = function() return { "convert", "copy" }, "to see it fail" end,
        after = function(job) job:seal() error "the <b>hook</b> said no" end,
      }]]
    policy:close()
    local failed = copy { spec, "glance:" .. names.undone, "--policy", directory .. "/refuses.lua" }
    assert.is_true(failed.code ~= 0)
    local killed = copy({ plain, "glance:" .. names.resumed, "--route", "copy" },
      { SIPHON_FAULT = "kill target.copy/rbd.copy_data/half", SIPHON_LEASE = "1" })
    assert.equal(137, killed.code)
    ids = {}
    for what, name in pairs(names) do ids[what] = assert(job_of("glance:" .. name)).id end
    eventually("the end of the lease", function() return job_of("glance:" .. names.resumed).state == "abandoned" end)
    assert.equal(0, command.run({ "resume", ids.resumed, "--quiet" }).code)
  end)

  teardown(function()
    for _, name in pairs(names) do
      for _, image in ipairs(bed.glance_images(name)) do bed.delete_glance_image(image.id) end
    end
    bed.remove(spec)
    bed.remove(plain)
    fences.lift(barred)
    command.shell("rm -r " .. directory)
    bed.assert_unchanged(before)
  end)

  local function report(...)
    local path = directory .. "/report.html"
    local result = command.run { "report", "-o", path, ... }
    assert.equal(0, result.code, result.err)
    local file <close> = assert(io.open(path, "rb"))
    return file:read "a", path, result
  end

  -- What the browser says of the page in each view.
  local function look(path, views)
    local list = directory .. "/views"
    local file <close> = assert(io.open(list, "w"))
    for _, view in ipairs(views) do file:write(json.encode(view), "\n") end
    file:close()
    local found = {}
    for line in command.shell(("python3 tests/support/browser.py %s %s <%s"):format(path, directory, list))
      :gmatch "[^\n]+" do
      local one = assert(json.decode(line))
      found[one.name] = one
    end
    return found
  end

  local function texts(...)
    local list = {}
    for i, text in ipairs { ... } do list[i] = text end
    return list
  end

  it("is good to look at on a desk, in the dark, on a telephone and on paper", function()
    local _, path, result = report(ids.done, ids.undone, ids.resumed)
    assert.equal(("report on 3 jobs: %s\n"):format(path), result.out)
    local found = look(path, {
      { name = "desk", width = 1200 }, { name = "dark", width = 1200, dark = true },
      { name = "phone", width = 360, height = 740 }, { name = "paper", width = 690, print = true },
    })
    for _, name in ipairs { "desk", "dark", "phone", "paper" } do
      local view = assert(found[name], name)
      assert.equal(0, view.overflow, name .. " scrolls sideways")
      assert.same({}, view.outside, name .. ": text beyond the edge")
      assert.same({}, view.overlaps, name .. ": text over text")
      assert.same({}, view.pale, name .. ": text that is hard to read")
      assert.same({}, view.console, name)
      assert.same({}, view.requests, name)
      assert.is_true(view.colours > 50 and view.plain < 0.97, ("%s: %d colours, %.2f of one"):format(name, view.colours,
        view.plain))
      assert.is_true(#view.bars > 30)
      for _, bar in ipairs(view.bars) do
        assert.is_true(bar.width >= 2.9 and bar.left > -0.1 and bar.over < 0.1, json.encode(bar))
        assert.is_true(bar.ratio >= 3, name .. ": a bar that is hard to see")
      end
    end
    assert.is_true(found.paper.pages >= 1 and found.paper.pages <= 8, found.paper.pages .. " pages")
  end)

  it("can be read without seeing it", function()
    local _, path = report(ids.done, ids.undone, ids.resumed)
    local view = look(path, { { name = "desk", width = 1000 } }).desk
    assert.equal("en", view.language)
    assert.equal("siphon report: 3 jobs", view.title)
    assert.equal(2, view.landmarks)
    assert.equal(0, view.unnamed)
    assert.equal(0, view.broken)
    for _, text in ipairs(texts(
      "2 done, 1 undone", ids.done, ids.undone, ids.resumed,
      spec .. " \u{2192} glance:" .. names.done, "copied by the OSDs", "osd_copy", "taken: source and image store are in one",
      "the OSDs", "Cinder's upload-to-image would move about (calculated)", "The image is there, and nothing is left to undo.",
      "the <b>hook</b> said no", "convert does not apply: ", "undone: snapshot", "undone: Glance record", "were taken back, in reverse.",
      "copying the data: cut off", "taken over by ", "whose lease ran out", "siphon's host",
      "that failed or was cut off is not counted")) do
      assert.is_not_nil(view.text:find(text, 1, true), ("'%s' is not in\n%s"):format(text, view.text))
    end
  end)

  it("does nothing with a name that is markup", function()
    local page, path = report(ids.done)
    assert.is_nil(page:find("<script", 1, true))
    assert.is_nil(page:find("<img", 1, true))
    assert.matches("&lt;script&gt;", page, 1, true)
    local view = look(path, { { name = "desk", width = 800 } }).desk
    assert.equal(0, view.scripts)
    assert.equal(0, view.images)
    assert.is_not_nil(view.text:find(names.done, 1, true))
  end)

  it("shows what is said of a job that nobody has, and what can be done", function()
    local target = "glance:" .. bed.name "left"
    local killed = copy({ plain, target, "--route", "copy" },
      { SIPHON_FAULT = "kill target.copy/rbd.copy_data/half", SIPHON_LEASE = "1" })
    assert.equal(137, killed.code)
    local id = job_of(target).id
    eventually("the end of the lease", function() return job_of(target).state == "abandoned" end)
    local page = report(id)
    assert.matches("abandoned</span>", page, 1, true)
    assert.matches(("<code>siphon resume %s</code>"):format(id), page, 1, true)
    assert.matches("On record, and not taken back yet:", page, 1, true)
    assert.equal(0, command.run({ "undo", id, "--quiet" }).code)
    assert.matches("undone</span>", report(id), 1, true)
  end)

  it("has all jobs with --all, and goes to stdout where no file is named", function()
    local result = command.run { "report", "--all" }
    assert.equal(0, result.code, result.err)
    assert.matches("^<!DOCTYPE html>\n", result.out)
    for _, id in pairs(ids) do assert.matches(id, result.out, 1, true) end
  end)

  it("says what is wrong in one line, and leaves no file behind", function()
    for code, arguments in pairs {
      [64] = { "report" },
      [65] = { "report", "20260101-000000-000000", "-o", directory .. "/none.html" },
    } do
      local result = command.run(arguments)
      assert.equal(code, result.code)
      assert.matches("^siphon: [^\n]+\n$", result.err)
    end
    assert.equal(64, command.run({ "report", "--all", ids.done }).code)
    local result = command.run { "report", ids.done, "-o", directory .. "/no/where.html" }
    assert.equal(65, result.code)
    assert.matches("choose another place with -o (report.write)", result.err, 1, true)
    assert.equal("", command.shell(("ls %s | grep -v -e views -e refuses -e 'report.html$' -e png -e pdf || true"):format(directory)))
  end)
end)
