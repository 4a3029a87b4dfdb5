-- Jobs that are put into the queue: on the real bed, by the command.

local core = require "siphon.core"
local json = require "siphon.json"

local bed = require "support.bed"
local command = require "support.command"
local ground = require "support.ground"
local queue = require "support.queue"
local servers = require "support.servers"

local submit, shown = queue.submit, queue.shown

describe("a job in the queue", function()
  local here, spec, name, expected

  setup(function()
    here = ground.new { size = 8, data = { { 0, 2 }, { 5, 1 } } }
    spec, name, expected = here.spec, here.name, here.md5
  end)
  teardown(function() here:clear() end)
  after_each(function() here:assert_clean() end)

  it("is listed as such, with what it waits for, and leaves no object but its line", function()
    local id = submit(spec, "images/" .. name, "--priority", "7", "--attempts", "2", "--not-before", "+1h")
    local line = command.run({ "jobs" }).out
    assert.matches(id .. "  queued", line, 1, true)
    assert.matches("attempt 1 of 2, priority 7, not before %d+", line)
    local listed
    for text in command.run({ "jobs", "--json" }).out:gmatch "[^\n]+" do listed = json.decode(text) end
    assert.equal("queued", listed.state)
    assert.equal(json.null, listed.holder)
    assert.equal(7, listed.queue.priority)
    assert.is_true(math.abs(listed.queue.not_before - core.system.time() - 3600) < 60)
    here:assert_clean()
    local told = command.run { "cancel", id }
    assert.equal(0, told.code, told.err)
    assert.matches("is taken out of the queue", told.out)
    assert.equal("undone", shown(id).state)
    assert.equal("", command.run({ "jobs" }).out)
    assert.equal(0, command.run({ "undo", id }).code)
  end)

  it("is done by whoever resumes it", function()
    local id = submit(spec, "images/" .. name)
    local result = command.run { "resume", id }
    assert.equal(0, result.code, result.err)
    assert.equal(expected, bed.md5("images/" .. name))
    local story = command.run({ "job", id }).out
    assert.matches("submitted by .* on .*taken from the queue by .*begun by .*done", story)
    bed.remove("images/" .. name)
  end)

  it("that fails for good stays, with the reason, until it is tried again or dropped", function()
    local id = submit(spec, "images/" .. name)
    command.shell(("rbd create --size 1M images/%s"):format(name))
    local failed = command.run { "resume", id, "--quiet" }
    assert.equal(65, failed.code)
    local job = shown(id)
    assert.equal("failed", job.state)
    assert.equal("EEXIST", job.error.code)
    local text = command.run({ "job", id }).out
    assert.matches("attempt 1 of 3 failed, and was the last: .*EEXIST", text)
    assert.matches("`siphon resume %S+` tries it once more, `siphon undo %S+` drops it", text)
    bed.remove("images/" .. name)
    local again = command.run { "resume", id, "--quiet" }
    assert.equal(0, again.code, again.err)
    assert.equal(expected, bed.md5("images/" .. name))
    assert.matches("attempt 1 of 3 failed", command.run({ "job", id }).out)
    bed.remove("images/" .. name)
  end)

  it("that fails with what may go away waits again, undone, and gets another image id", function()
    local server = servers.start()
    server:script { ["POST /v2/images"] = { { status = 503, body = "later" } },
      ["GET /v2/images"] = { { status = 200, body = { images = {} } } } }
    local id = submit(spec, "glance:" .. name, "--pool", "images")
    local env = { OS_ENDPOINT = server.url, OS_AUTH_TYPE = "none", SIPHON_RETRY = "600" }
    local failed = command.run({ "resume", id, "--quiet" }, { env = env })
    server:stop()
    assert.is_true(failed.code ~= 0)
    assert.matches("the job waits in the queue", failed.err)
    local job = shown(id)
    assert.equal("queued", job.state)
    assert.equal(1, job.queue.tried)
    assert.is_true(job.queue.not_before > core.system.time() + 200)
    assert.is_nil(job.image_id)
    local result = command.run { "resume", id, "--quiet" }
    assert.equal(0, result.code, result.err)
    local image = shown(id).image_id
    assert.equal(expected, bed.md5("images/" .. image))
    bed.delete_glance_image(image)
  end)

  it("gives no data to a Glance image that has some by the time it is begun", function()
    local body = ('{"name": "%s", "disk_format": "raw", "container_format": "bare"}'):format(name)
    local id = json.decode(command.shell(("curl -sSf -H 'Content-Type: application/json' -d '%s' %s/v2/images"):format(
      body, bed.url))).id
    finally(function() bed.delete_glance_image(id) end)
    local job = submit(spec, "--existing-image", id, "--pool", "images", "--property", "ours=1")
    command.shell(("echo theirs | curl -sSf -X PUT -H 'Content-Type: application/octet-stream' "
      .. "-H 'X-Image-Meta-Store: fs' -T - %s/v2/images/%s/file"):format(bed.url, id))
    local before = bed.glance_image(id)
    assert.equal("active", before.status)
    local failed = command.run { "worker", "--once" }
    assert.matches("is active: only one that is queued can be given data", failed.out .. failed.err)
    assert.equal("failed", shown(job).state)
    assert.equal("glance.conflict", shown(job).error.code)
    assert.same(before, bed.glance_image(id))
    assert.equal(0, command.run({ "undo", job }).code)
  end)

  it("is refused before anything is written when something is wrong with it", function()
    local cases = {
      { { spec .. "-gone", "images/x" }, 65, "there is no image" },
      { { "volumes", "images/x" }, 64, "." },
      { { spec, "images/x", "--route", "cpoy" }, 64, "did you mean 'copy'" },
      { { spec, "images/x", "--policy", "nothing" }, 65, "nothing" },
      { { spec, "images/x", "--attempts", "0" }, 64, "1 or more" },
      { { spec, "images/x", "--priority", "5000" }, 64, "from %-1000 to 1000" },
      { { spec, "images/x", "--not-before", "tomorrow" }, 64, "is not a time" },
      { { spec, "images/x", "--no-journal" }, 64, "unknown option" },
    }
    for _, case in ipairs(cases) do
      local result = command.run { "submit", table.unpack(case[1]) }
      assert.equal(case[2], result.code, result.err)
      assert.matches(case[3], result.err)
      assert.equal(1, select(2, result.err:gsub("\n", "")))
    end
    assert.equal("", command.run({ "jobs" }).out)
  end)
end)
