-- What goes wrong in the middle: Glance in every way it can, a pool that runs full, Ctrl-C, a time that runs out, a
-- source that changes. Each ends with one clear line, and with nothing left behind.

local core = require "siphon.core"
local siphon = require "siphon"

local bed = require "support.bed"
local command = require "support.command"
local servers = require "support.servers"

describe("a copy that fails", function()
  local before, with_volume, server
  local spec

  setup(function()
    before = bed.inventory()
    server = servers.start()
    local data = {}
    for i = 0, 15 do data[#data + 1] = { i * 16, 8 } end
    spec = bed.volume { size = 256, data = data }
    with_volume = bed.holdings()
  end)
  teardown(function()
    server:stop()
    bed.remove(spec)
    bed.assert_unchanged(before)
  end)
  after_each(function() bed.assert_unchanged(with_volume, bed.holdings) end)

  local function states(out, wanted)
    local list = {}
    for _, e in ipairs(command.events(out)) do
      if e.event == "step" and e.state == wanted then list[#list + 1] = e.step end
    end
    return list
  end

  local function last(out)
    local events = command.events(out)
    return events[#events]
  end

  local function one_line(result)
    assert.equal(1, select(2, result.err:gsub("\n", "")), result.err)
  end

  -- Points in the midst of a route's work (docs/faults.md).
  local MIDST = { copy = "target.copy/rbd.copy_data/half", clone_flatten = "target.flatten/rbd.flatten/half" }

  -- Starts a copy; it has stopped itself at the point.
  local function stopped(point, ...)
    local process = command.start({ "copy", spec, ... }, { env = { SIPHON_FAULT = "stop " .. point } })
    process:wait_until_stopped()
    return process
  end

  describe("because of Glance", function()
    local STORES = { status = 200, body = { stores = { { id = "ceph", type = "rbd", default = "true",
      properties = { pool = "images", chunk_size = 8388608 } } } } }
    local id, path

    before_each(function()
      id = command.shell("cat /proc/sys/kernel/random/uuid"):match "%S+"
      path = "/v2/images/" .. id
    end)

    -- Answers of a Glance that works, but for those given: name = list of answers.
    local function glance(changed)
      local record = { id = id, name = "x", status = "queued" }
      local active = { id = id, name = "x", status = "active", size = 256 << 20 }
      local answers = {
        ["GET /versions"] = { { status = 200, body = { versions = { { id = "v2.15", status = "CURRENT" } } } } },
        ["GET /v2/info/stores/detail"] = changed.stores or { STORES },
        ["POST /v2/images"] = changed.create or { { status = 201, body = record } },
        ["PATCH " .. path] = changed.register or { { status = 200, body = active } },
        ["DELETE " .. path] = changed.delete or { { status = 204 } },
        ["GET " .. path] = changed.show or { { status = 404 }, { status = 200, body = active } },
      }
      server:script(answers)
    end

    local function copy(...)
      return command.run({ "copy", spec, "glance:x", "--image-id", id, "--json", ... },
        { env = { OS_ENDPOINT = server.url, OS_AUTH_TYPE = "none" } })
    end

    local function text(status, words)
      return { status = status, body = ("<html><body><h1>x</h1>%s</body></html>"):format(words),
        headers = { ["Content-Type"] = "text/html" } }
    end

    local LOGIN = { status = 200, body = "<html>please log in</html>", headers = { ["Content-Type"] = "text/html" } }
    local CUT = { cut = true }

    -- The answer, the error's code, what the message has to say, the exit code.
    local AT_CREATE = {
      { text(400, "Invalid input"), "glance.bad_request", "Invalid input", 65 },
      { text(401, "Authentication required"), "glance.unauthorized", "token", 77 },
      { text(403, "You are not authorized"), "glance.forbidden", "not authorized", 77 },
      { text(404, "not here"), "glance.not_found", "404", 65 },
      { text(409, "already exists"), "glance.conflict", "another id", 65 },
      { text(413, "quota"), "glance.too_large", "quota", 69 },
      { text(500, "broken"), "glance.server", "500", 69 },
      { text(503, "busy"), "glance.server", "503", 69 },
      { LOGIN, "glance.%w+", "", nil },
      { CUT, "http%.%w+", "", 69 },
    }
    for _, case in ipairs(AT_CREATE) do
      it(("with %s at the record, ends before the cluster is touched"):format(case[1].status or "a cut connection"), function()
        glance { create = { case[1] } }
        local result = copy()
        one_line(result)
        local failed = last(result.out)
        assert.equal("job.failed", failed.event)
        assert.matches("^" .. case[2] .. "$", failed.error.code)
        assert.matches(case[3], result.err)
        if case[4] then assert.equal(case[4], result.code) end
        for _, step in ipairs(states(result.out, "started")) do assert.equal("glance.create", step) end
      end)
    end

    local UNDONE = { "target.seal", "target.create", "source.snapshot", "glance.create" }

    local AT_REGISTER = {
      { text(400, "Invalid location"), "glance.bad_request", "Invalid location", 65 },
      { text(401, "x"), "glance.unauthorized", "token", 77 },
      { text(403, "It's not allowed to add locations if locations are invisible."), "glance.forbidden",
        "show_multiple_locations", 77 },
      { text(404, "no image"), "glance.not_found", "404", 65 },
      { text(409, "state"), "glance.conflict", "409", 65 },
      { text(413, "quota"), "glance.too_large", "quota", 69 },
      { text(500, "x"), "glance.server", "500", 69 },
      { text(503, "x"), "glance.server", "503", 69 },
      { LOGIN, "glance.not_json", "endpoint", 69 },
      { CUT, "http%.%w+", "", 69 },
    }
    for _, case in ipairs(AT_REGISTER) do
      it(("with %s at the location, undoes everything in reverse"):format(case[1].status or "a cut connection"), function()
        glance { register = { case[1] }, show = { { status = 404 }, { status = 200, body = { id = id, status = "queued" } } } }
        local result = copy()
        one_line(result)
        local failed = last(result.out)
        assert.equal("job.failed", failed.event)
        assert.matches("^" .. case[2] .. "$", failed.error.code)
        assert.matches(case[3], result.err)
        assert.equal(case[4], result.code)
        local undone = states(result.out, "undone")
        if undone[1] == "glance.register" then table.remove(undone, 1) end
        assert.same(UNDONE, undone)
        assert.same({}, failed.left_behind)
      end)
    end

    it("that took the location but lost its answer, goes on when the image turns out active", function()
      glance { register = { CUT } }
      local result = copy()
      assert.equal("", result.err)
      assert.equal("job.done", last(result.out).event)
      bed.remove("images/" .. id)
    end)

    it("that is out of order for a moment, is asked again", function()
      glance { register = { text(503, "busy"), CUT, { status = 200, body = { id = id, status = "active", size = 256 << 20 } } },
        show = { { status = 404 }, { status = 200, body = { id = id, status = "queued" } }, { status = 200, body = { id = id,
          status = "queued" } }, { status = 200, body = { id = id, status = "active", size = 256 << 20 } } } }
      local result = copy()
      assert.equal("", result.err)
      assert.equal("job.done", last(result.out).event)
      bed.remove("images/" .. id)
    end)

    it("that counts another size, undoes by deleting the Glance image", function()
      glance { show = { { status = 404 }, { status = 200, body = { id = id, status = "active", size = 5 } } } }
      local result = copy()
      one_line(result)
      assert.matches("counts 5 bytes", result.err)
      local deleted = 0
      for _, request in ipairs(server:log()) do
        if request.method == "DELETE" then deleted = deleted + 1 end
      end
      assert.is_true(deleted >= 1)
    end)

    it("that cannot be asked to delete what it accepted, leaves the RBD image to it and says so", function()
      glance {
        show = { { status = 404 }, { status = 200, body = { id = id, status = "active", size = 5 } } },
        delete = { text(409, "in use") },
      }
      local result = copy()
      one_line(result)
      assert.matches("left behind: Glance image " .. id:gsub("%-", "%%-"), result.err)
      local left = {}
      for _, entry in ipairs(last(result.out).left_behind) do left[#left + 1] = entry.step end
      assert.same({ "glance.register", "target.seal", "target.create", "glance.create" }, left)
      assert.same({ "source.snapshot" }, states(result.out, "undone"))
      assert.equal("true", bed.rbd("snap ls images/" .. id)[1].protected)
      -- The record stays, so that it can be undone once Glance lets go of it.
      glance {}
      local undone = command.run({ "undo", result.err:match "`siphon undo (%S+)`", "--quiet" },
        { env = { OS_ENDPOINT = server.url, OS_AUTH_TYPE = "none" } })
      assert.equal(0, undone.code, undone.err)
    end)

    it("that is down, says so", function()
      local result = command.run({ "copy", spec, "glance:x", "--pool", "images" },
        { env = { OS_ENDPOINT = "http://127.0.0.1:1", OS_AUTH_TYPE = "none" } })
      one_line(result)
      assert.equal(69, result.code)
      assert.matches("127.0.0.1:1", result.err)
    end)

    it("that does not answer, ends with --timeout", function()
      glance { create = { { status = 201, delay = 300 } } }
      local began = os.time()
      local result = copy("--timeout", "3")
      one_line(result)
      assert.equal(75, result.code)
      assert.is_true(os.time() - began < 60)
    end)
  end)

  describe("because the pool runs full", function()
    local function wait_for_flag(wanted)
      for _ = 1, 120 do
        local is_full = bed.admin("ceph osd pool ls detail"):find("full_quota", 1, true) ~= nil
        if is_full == wanted then return end
        core.task.sleep(0.5)
      end
      error "the pool's flag did not change"
    end

    for _, route in ipairs { "copy", "clone_flatten" } do
      it("in mid-" .. route .. ", is undone and names the quota", function()
        -- The cluster takes some seconds to notice; the copy has to wait for that.
        local process = stopped(MIDST[route], "glance:full", "--pool", "images", "--json", "--route", route)
        bed.admin "ceph osd pool set-quota images max_bytes 1"
        wait_for_flag(true)
        process:signal "CONT"
        local result = process:wait()
        bed.admin "ceph osd pool set-quota images max_bytes 0"
        wait_for_flag(false)
        one_line(result)
        assert.equal(69, result.code, result.err)
        assert.equal("EDQUOT", last(result.out).error.code)
        assert.matches("quota", result.err)
        assert.same({}, last(result.out).left_behind)
      end)
    end
  end)

  describe("because the pool runs full under Glance", function()
    it("in mid-upload, is undone and names the pool", function()
      local function quota(bytes)
        bed.admin("ceph osd pool set-quota images max_bytes " .. bytes)
        command.shell(("for i in $(seq 240); do tests/testbed/testbed admin --dir %s ceph osd pool ls detail | grep -q full_quota; "
          .. "[ $? = %d ] && exit 0; sleep 0.25; done; exit 1"):format(bed.directory, bytes == 1 and 0 or 1))
      end
      local filled
      local result, err = siphon.copy {
        source = spec, target = "glance:full", route = "upload", pool = "images",
        glance = assert(siphon.glance.connect { endpoint = bed.url, stall_timeout = 15 }),
        on_event = function(e)
          if e.event == "progress" and not filled then
            filled = true
            quota(1) -- the copy stands still meanwhile
          elseif e.step == "glance.upload" and e.state == "failed" then
            quota(0)
          end
        end,
      }
      assert.is_nil(result)
      assert.equal("http.timeout", err.code)
      assert.matches("the pool 'images' is full", err.message)
      assert.is_nil(err.message:find "left behind", err.message)
      assert.same({}, bed.glance_images "full")
    end)
  end)

  describe("because it is interrupted", function()
    for _, signal in ipairs { "INT", "TERM" } do
      for _, route in ipairs { "copy", "clone_flatten" } do
        it(("by SIG%s in mid-%s, is undone and exits with 130"):format(signal, route), function()
          local process = stopped(MIDST[route], "glance:interrupted", "--pool", "images", "--json", "--route", route)
          process:signal(signal)
          process:signal "CONT"
          local result = process:wait()
          assert.equal(130, result.code, result.err)
          one_line(result)
          assert.matches("interrupted; what was begun has been undone", result.err)
          assert.equal("cancelled", last(result.out).error.code)
          assert.same({}, bed.glance_images "interrupted")
        end)
      end
    end

    it("at any other moment, is undone too", function()
      for _, step in ipairs { "glance.create", "source.snapshot", "target.create", "target.seal", "glance.register" } do
        local process = stopped(step .. "/rados.omap_set", "glance:interrupted", "--pool", "images", "--json")
        process:signal "INT"
        process:signal "CONT"
        local result = process:wait()
        assert.equal(130, result.code, step .. ": " .. result.err)
        assert.same({}, bed.glance_images "interrupted", step)
        bed.assert_unchanged(with_volume, bed.holdings, step)
      end
    end)

    it("while its record is made, leaves no job that nobody has", function()
      for _, point in ipairs { "rados.lock", "rados.omap_set", "rados.omap_set#2", "rados.omap_set#3" } do
        local process = stopped("job.create/" .. point, "images/interrupted", "--quiet")
        process:signal "INT"
        process:signal "CONT"
        local result = process:wait()
        assert.equal(130, result.code, point .. ": " .. result.err)
        assert.equal("", command.run({ "jobs" }).out, point)
        bed.assert_unchanged(with_volume, bed.holdings, point)
      end
    end)

    it("by the end of its time, is undone and exits with 75", function()
      local result = command.run { "copy", spec, "glance:late", "--pool", "images", "--timeout", "3", "--route", "osd_copy",
        "--max-rate", "1M" }
      one_line(result)
      assert.equal(75, result.code)
      assert.matches("within the 3 seconds", result.err)
    end)

    it("by a reader that went away, is not: the copy goes on", function()
      local result = command.shell(("bash -c '%s copy %s images/reader-gone --json | head -n 1; echo ${PIPESTATUS[0]}'")
        :format(command.program, spec))
      assert.matches("job.start[^\n]*\n0\n$", result)
      assert.equal(bed.md5(spec), bed.md5 "images/reader-gone")
      bed.remove "images/reader-gone"
    end)
  end)

  describe("because the source's snapshot was unprotected meanwhile", function()
    it("does not call the copy good", function()
      local process = stopped(MIDST.copy, "images/untrusted", "--json", "--route", "copy")
      local snapshot = process:wait_for("@siphon%-"):match "@(siphon%-[%w%-]+)"
      command.shell(("rbd snap unprotect %s@%s"):format(spec, snapshot))
      process:signal "CONT"
      local result = process:wait()
      one_line(result)
      assert.equal(65, result.code)
      assert.equal("source.changed", last(result.out).error.code)
    end)
  end)

  describe("because a route gives up", function()
    it("goes on with the next, after undoing the first", function()
      local routes = require "siphon.routes"
      local copy = require "siphon.copy"
      package.loaded["siphon.routes.refusing"] = {
        summary = "gives up", unsuitable = { "EOPNOTSUPP" },
        applies = function() return true end,
        cost = function() return { copied = 0, through_host = 0 } end,
        steps = function() return {} end,
        run = function(job)
          local place = job.target.place
          job:step("target.half", {
            undo = { "remove_image", place:data() },
            act = function() return core.rbd.create(place.pool, place.name, { size = 1 << 20 }) end,
          })
          error(core.error { code = "EOPNOTSUPP", message = "not on this cluster" })
        end,
      }
      table.insert(routes.names, "refusing")
      local path = os.tmpname()
      local file = assert(io.open(path .. ".lua", "w"))
      file:write "return { routes = function() return { 'refusing', 'copy' } end }"
      file:close()
      local told = {}
      local result, err = copy.copy {
        source = spec, target = "images/second-choice", policy = path .. ".lua",
        on_event = function(e) if e.event == "step" then told[#told + 1] = e.step .. " " .. e.state end end,
      }
      table.remove(routes.names)
      package.loaded["siphon.routes.refusing"] = nil
      os.remove(path)
      os.remove(path .. ".lua")
      assert.is_nil(err and tostring(err))
      assert.equal("copy", result.route)
      local story = table.concat(told, "; ")
      assert.matches("route chosen; target.half started; target.half done; route unsuitable; target.half undone; route chosen; "
        .. "target.create started", story)
      assert.equal(bed.md5(spec), bed.md5 "images/second-choice")
      bed.remove "images/second-choice"
    end)
  end)
end)
