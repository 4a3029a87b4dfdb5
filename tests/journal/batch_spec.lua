-- Many copies from a file, on the real bed.

local json = require "siphon.json"

local bed = require "support.bed"
local command = require "support.command"
local eventually = require "support.eventually"
local ground = require "support.ground"
local servers = require "support.servers"

describe("siphon batch", function()
  local here, spec, name, expected, path

  setup(function()
    here = ground.new { size = 4, data = { { 0, 1 }, { 3, 1 } } }
    spec, name, expected = here.spec, here.name, here.md5
    path = os.tmpname()
  end)
  teardown(function()
    os.remove(path)
    here:clear()
  end)
  after_each(function()
    here:assert_clean()
    assert.equal("", command.run({ "jobs" }).out)
  end)

  local function file(text)
    local handle <close> = assert(io.open(path, "w"))
    handle:write(text)
    return path
  end

  local function line(target, more)
    return json.encode { source = spec, target = target, priority = more } .. "\n"
  end

  local function target(i) return ("images/%s-%d"):format(name, i) end

  it("does all of it, a line a job and a total", function()
    local result = command.run { "batch", file(line(target(1)) .. "\n" .. line(target(2), 5) .. line("glance:" .. name)),
      "--pool", "images" }
    assert.equal(0, result.code, result.err)
    assert.equal(3, select(2, result.out:gsub("done    %d", "")))
    assert.matches("3 done, 0 not, in ", result.out)
    for i = 1, 2 do
      assert.equal(expected, bed.md5(target(i)))
      bed.remove(target(i))
    end
    local images = bed.glance_images(name)
    assert.equal(1, #images)
    assert.equal(expected, bed.md5("images/" .. images[1].id))
    bed.delete_glance_image(images[1].id)
  end)

  it("tells by its exit code that one failed, and does the others", function()
    command.shell(("rbd create --size 1M %s"):format(target(1)))
    local result = command.run { "batch", "--json", file(line(target(1)) .. line(target(2))) }
    assert.equal(65, result.code)
    local states, last = {}, nil
    for _, e in ipairs(command.events(result.out)) do
      if e.target then states[e.target] = e.state end
      last = e
    end
    assert.same({ [target(1)] = "failed", [target(2)] = "done" }, states)
    assert.equal(1, last.done)
    assert.equal(1, last.failed)
    for id in command.run({ "jobs" }).out:gmatch "[%d]+%-%d+%-%x+" do command.run { "undo", id } end
    for i = 1, 2 do bed.remove(target(i)) end
  end)

  it("ends when one failed and left something behind, and says so", function()
    local id = "6c2f1f6e-0d0b-4c58-9d0a-3f0c5f3a7a11"
    local server = servers.start()
    local path_of_image = "/v2/images/" .. id
    server:script {
      ["GET /v2/images"] = { { status = 200, body = { images = {} } } },
      ["POST /v2/images"] = { { status = 201, body = { id = id, status = "queued" } } },
      ["GET " .. path_of_image] = { { status = 404 }, { status = 200, body = { id = id, status = "queued" } } },
      ["DELETE " .. path_of_image] = { { status = 409, body = "in use" } },
    }
    local env = { OS_ENDPOINT = server.url, OS_AUTH_TYPE = "none" }
    local result = command.run({ "batch", "--pool", "images", file(json.encode { source = spec, target = "glance:" .. name,
      image_id = id, freeze_command = "false", thaw_command = "true" }) }, { env = env })
    assert.is_true(result.code ~= 0)
    local job = result.out:match "failed  (%S+)"
    assert.matches("0 done, 1 not", result.out)
    assert.matches("left as it is: Glance record", command.run({ "job", job }).out)
    server:script { ["DELETE " .. path_of_image] = { { status = 204 } } }
    local undone = command.run({ "undo", job, "--quiet" }, { env = env })
    server:stop()
    assert.equal(0, undone.code, undone.err)
  end)

  it("names the line that is wrong before anything is submitted", function()
    local cases = {
      { line(target(1)) .. "\n{ no", "line 3 of" },
      { line(target(1)) .. '{"source": "volumes/gone", "target": "images/x"}', "line 2 of .*there is no image 'gone'" },
      { '{"source": "' .. spec .. '", "target": "images/x", "prioritee": 3}', "line 1 of .*unknown option 'prioritee'" },
      { '{"target": "images/x"}', "line 1 of .*'source' is missing" },
      { '{"source": "' .. spec .. '", "target": "images/x", "priority": "high"}', "line 1 of .*integer expected" },
      { "return 5", "it has to return a list of requests" },
      { "return { { source = '" .. spec .. "', target = 'images/x' }, 7 }", "request 2 of .*not a table" },
    }
    for _, case in ipairs(cases) do
      local result = command.run { "batch", file(case[1]) }
      assert.equal(65, result.code, result.err)
      assert.matches(case[2], result.err)
      assert.equal(1, select(2, result.err:gsub("\n", "")), result.err)
    end
  end)

  it("takes a script, which may ask the cluster", function()
    local result = command.run { "batch", "--submit-only", "--priority", "3", file(([[
      local i = 0
      return function()
        i = i + 1
        if i <= 2 then return { source = %q, target = %q .. i, not_before = os.time() + 3600 } end
      end]]):format(spec, "images/" .. name .. "-")) }
    assert.equal(0, result.code, result.err)
    local ids = {}
    for id in result.out:gmatch "[^\n]+" do ids[#ids + 1] = id end
    assert.equal(2, #ids)
    for _, id in ipairs(ids) do
      assert.equal(3, json.decode(command.run({ "job", id, "--json" }).out).queue.priority)
      command.run { "cancel", id }
    end
  end)

  it("undoes what runs, and takes the rest out, when it is interrupted", function()
    local text = json.encode { source = spec, target = target(1), priority = 1, freeze_command = "sleep 600",
      thaw_command = "true" }
    local process = command.start { "batch", "--concurrency", "1", file(text .. "\n" .. line(target(2))) }
    eventually("a job that runs", function() return command.run({ "jobs" }).out:find "running" end, 60)
    process:signal "INT"
    local result = process:wait(60)
    assert.equal(130, result.code, result.err)
  end)
end)
