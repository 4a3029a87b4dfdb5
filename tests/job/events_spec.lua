-- What --json prints: the events, all of them, nothing else, and each as the schema says. (That every event of every
-- spec is as the schema says is looked at by tests/run.)

local bed = require "support.bed"
local command = require "support.command"

local SCHEMA = (os.getenv "SIPHON_BUILD" or "build") .. "/events.schema.json"

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

-- Runs siphon with --json; its result, with the events and the text of the file SIPHON_EVENT_LOG.
local function run(arguments)
  local log = os.tmpname()
  arguments[#arguments + 1] = "--json"
  local result = command.run(arguments, { env = { SIPHON_EVENT_LOG = log } })
  result.log, result.events = read(log), command.events(result.out)
  -- Where tests/run looks for them.
  local all = os.getenv "SIPHON_EVENT_LOG"
  if all then command.shell(("cat %s >>%s"):format(log, all)) end
  os.rename(log, log .. ".json")
  result.validated = command.shell(("tests/support/events.py %s %s.json; rm %s.json"):format(SCHEMA, log, log))
  return result
end

describe("--json", function()
  local spec

  setup(function() spec = bed.volume() end)
  teardown(function() bed.remove(spec) end)

  it("prints a copy's events, the first and the last of them known, and logs the same", function()
    local result = run { "copy", spec, "images/" .. bed.name "events" }
    assert.equal(0, result.code, result.err)
    assert.equal(result.log, result.out)
    assert.matches("^" .. #result.events .. " events", result.validated)
    assert.equal("job.start", result.events[1].event)
    local last = result.events[#result.events]
    assert.equal("job.done", last.event)
    bed.remove(last.target)
  end)

  it("ends with job.failed when it fails, with the error that stderr shows", function()
    local result = run { "copy", spec, "nowhere/copy" }
    assert.is_true(result.code ~= 0)
    assert.equal(result.log, result.out)
    local last = result.events[#result.events]
    assert.equal("job.failed", last.event)
    assert.truthy(result.err:find(last.error.message, 1, true), result.err)
  end)

  it("prints nothing where there is no job", function()
    local result = run { "copy", spec, "glance:" }
    assert.equal(64, result.code)
    assert.equal("", result.out)
  end)
end)

describe("tests/support/events.py", function()
  local function checked(line, ...)
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write(line, "\n")
    file:close()
    local quoted = command.quote(path)
    local options = table.concat({ ... }, " ")
    local ok, text = pcall(command.shell, ("tests/support/events.py %s %s %s"):format(options, SCHEMA, quoted))
    os.remove(path)
    return ok, text
  end
  local START = '{"event":"job.start","job":"20260131-093501-4f9a1c","time":1.5,"source":"a/b","target":"a/c"%s}'

  it("takes what the schema describes, and refuses what it does not", function()
    local ok, text = checked(START:format "")
    assert.is_true(ok, text)
    for _, line in ipairs { START:format ',"more":1', START:format ',"resumed":false', '{"event":"job.strat"}', "{",
      '{"event":"step","job":"20260131-093501-4f9a1c","time":1,"step":"x","state":"kept","detail":"y"}' } do
      ok, text = checked(line)
      assert.is_false(ok, line)
    end
    assert.matches("'reason' is a required property", text)
  end)

  it("misses, of a full run, what nobody caused", function()
    local ok, text = checked(START:format "", "--all")
    assert.is_false(ok)
    assert.matches("no spec caused the event job.done", text)
    assert.matches("no spec caused the step glance.create", text)
  end)
end)
