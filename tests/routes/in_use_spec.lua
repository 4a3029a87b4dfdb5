-- Volumes that are in use, encrypted, or not what they seem: facts, refusals, freeze and thaw.

local bed = require "support.bed"
local command = require "support.command"
local copy = require "siphon.copy"
local core = require "siphon.core"
local jobs = require "siphon.jobs"
local servers = require "support.servers"
local snapshot = require "siphon.snapshot"

describe("a volume", function()
  local before
  local volumes, owners = {}, {}

  setup(function() before = bed.inventory() end)
  after_each(function()
    for _, owner in ipairs(owners) do
      if not owner.ended then
        owner:signal "TERM"
        owner:wait(20)
      end
    end
    owners = {}
  end)
  teardown(function()
    for _, spec in ipairs(volumes) do bed.remove(spec) end
    bed.assert_unchanged(before)
  end)

  local function volume(options)
    local spec, name = bed.volume(options or { size = 8, data = { { 0, 1 } } })
    volumes[#volumes + 1] = spec
    return spec, name
  end

  local function beginning_with(bytes)
    local spec, name = volume()
    local image <close> = assert(core.rbd.open(bed.pool "volumes", name, { read_only = false }))
    assert(image:write(0, bytes))
    return spec
  end

  local function target()
    local spec = "volumes/" .. bed.name "copy"
    volumes[#volumes + 1] = spec
    return spec
  end

  -- A process that has the volume open and holds its lock.
  local function owner_of(name)
    local script = os.tmpname()
    local file = assert(io.open(script, "w"))
    file:write [[
      local pool = assert(assert(siphon.rados.connect {}):pool "volumes")
      local image = assert(siphon.rbd.open(pool, ..., { read_only = false }))
      assert(image:write(0, "mine"))
      print "open"
      io.stdout:flush()
      siphon.task.sleep(600)]]
    file:close()
    local process = command.start { "run", script, name }
    owners[#owners + 1] = process
    process:wait_for "open"
    os.remove(script)
    return process
  end

  it("in use by a host that does not answer is left alone", function()
    local spec, name = volume()
    local owner = owner_of(name)
    owner:signal "STOP"
    local result = command.run { "copy", spec, target(), "--json" }
    owner:signal "CONT"
    assert.equal(75, result.code, result.err)
    assert.matches("client.%d+ at [%d.:/]+ has " .. spec:gsub("%p", "%%%0") .. " open and does not answer", result.err)
    assert.matches("%-%-fence%-dead%-owner", result.err)
    result = command.run { "copy", spec, target() }
    assert.equal(0, result.code, result.err)
    assert.same({}, bed.rbd("snap ls " .. spec))
  end)

  it("that its owner lets go of, just when it would be asked whether it lives, is copied", function()
    local spec, name = volume()
    local owner, secure, asked = owner_of(name), snapshot.secure, 0
    finally(function() snapshot.secure = secure end) -- luacheck: ignore
    snapshot.secure = function(job) -- luacheck: ignore
      local answers = job.source.answers
      function job.source:answers(...)
        asked = asked + 1
        owner:signal "TERM"
        owner:wait(20)
        return answers(self, ...)
      end
      return secure(job)
    end
    assert(copy.copy { source = spec, target = target() })
    assert.equal(1, asked)
    assert.same({}, bed.rbd("snap ls " .. spec))
  end)

  it("in use is known by its watchers and its lock's owner", function()
    local spec, name = volume()
    local image <close> = assert(core.rbd.open(bed.pool "volumes", name, { read_only = false }))
    assert(image:write(0, "x"))
    local known = {}
    for _, fact in ipairs(assert(copy.facts { source = spec, target = "volumes/nowhere" })) do
      known[fact.name] = fact.value
    end
    assert.is_true(known["source.in_use"])
    assert.equal(1, #known["source.watchers"])
    assert.equal(known["source.watchers"][1].address, known["source.lock_owner"].address)
  end)

  for name, bytes in pairs { qcow2 = "QFI\xfb\0\0\0\3", vmdk = "KDMV", vhdx = "vhdxfile" } do
    it("that begins as " .. name .. " is refused unless told", function()
      local spec, to = beginning_with(bytes), target()
      local result, err = copy.copy { source = spec, target = to }
      assert.is_nil(result)
      assert.equal("source.format", err.code)
      assert(copy.copy { source = spec, target = to, allow_format = name })
      assert.equal(bed.md5(spec), bed.md5(to))
    end)
  end

  it("that is encrypted is refused unless told, and then copied as it is", function()
    local spec, to = beginning_with "LUKS\xba\xbe\0\1", target()
    local result, err = copy.copy { source = spec, target = to }
    assert.is_nil(result)
    assert.equal("source.encrypted", err.code)
    assert(copy.copy { source = spec, target = to, allow_encrypted = true })
    assert.equal(bed.md5(spec), bed.md5(to))
  end)

  describe("with a freeze command", function()
    local log

    before_each(function() log = os.tmpname() end)
    after_each(function() os.remove(log) end)

    local function said()
      local file <close> = assert(io.open(log))
      return (file:read "a":gsub("\n", " "))
    end

    local function options(spec, fields)
      local all = { source = spec, target = target(), freeze_command = "echo freeze >> " .. log,
        thaw_command = "echo thaw >> " .. log }
      for key, value in pairs(fields or {}) do all[key] = value end
      return all
    end

    it("is frozen for the snapshot and thawed before the copy", function()
      local spec = volume()
      local order = {}
      assert(copy.copy(options(spec, { on_event = function(e)
        if e.event == "step" and e.state ~= "started" then order[#order + 1] = e.step .. " " .. e.state end
      end })))
      assert.equal("freeze thaw ", said())
      local story = table.concat(order, "; ")
      assert.matches("source.freeze done; source.snapshot done; source.freeze released; route chosen", story)
    end)

    it("is looked at again at the snapshot, whatever it began with before", function()
      local spec, name = volume()
      local image <close> = assert(core.rbd.open(bed.pool "volumes", name, { read_only = false }))
      local header, object = log .. ".header", "rbd_data." .. image.id .. ".0000000000000000"
      servers.write_file(header, "QFI\xfb\0\0\0\3")
      finally(function() os.remove(header) end)
      local asked = options(spec, { freeze_command = ("rados -p volumes put %s --offset 0 %s"):format(object, header) })
      local result, err = copy.copy(asked)
      assert.is_nil(result)
      assert.equal("source.format", err.code)
      assert.matches("--allow-format qcow2", err.message, 1, true)
      assert.same({}, bed.rbd("snap ls " .. spec))
      assert.is_nil((core.rbd.open(bed.pool "volumes", (asked.target:match "/(.*)"))))
      asked.allow_format = "qcow2"
      assert(copy.copy(asked))
      assert.equal(bed.md5(spec), bed.md5(asked.target))
    end)

    it("is thawed when the freeze fails half-way", function()
      local result, err = copy.copy(options(volume(), { freeze_command = "echo freeze >> " .. log .. "; exit 5" }))
      assert.is_nil(result)
      assert.equal("command.failed", err.code)
      assert.matches("ended with code 5", err.message)
      assert.equal("freeze thaw ", said())
    end)

    it("is thawed when the snapshot fails", function()
      local secure = snapshot.secure
      snapshot.secure = function() error(core.error { code = "EIO", message = "no snapshot" }, 0) end -- luacheck: ignore
      local result, err = copy.copy(options((volume())))
      snapshot.secure = secure -- luacheck: ignore
      assert.is_nil(result)
      assert.equal("EIO", err.code)
      assert.equal("freeze thaw ", said())
    end)

    it("is thawed when the time runs out", function()
      local result, err = copy.copy(options(volume(), { timeout = 30, freeze_command = "echo freeze >> " .. log
        .. "; sleep 300" }))
      assert.is_nil(result)
      assert.equal("timeout", err.code)
      assert.equal("freeze thaw ", said())
    end)

    it("fails, and says so, when it cannot be thawed", function()
      local spec = volume()
      local thawed = log .. ".thawed"
      local result, err = copy.copy(options(spec, { thaw_command = "test -e " .. thawed }))
      assert.is_nil(result)
      assert.matches("may still be frozen", err.message)
      assert.same({}, bed.rbd("snap ls " .. spec))
      -- It stays on record, until the thaw succeeds.
      local id = err.message:match "`siphon undo (%S+)`"
      assert.matches("freeze", select(2, jobs.undo(id)).message)
      assert(io.open(thawed, "w")):close()
      assert.is_true(jobs.undo(id))
      os.remove(thawed)
    end)

    it("takes both commands, and no snapshot of the user's", function()
      local result = command.run { "copy", volume(), "volumes/x", "--freeze-command", "true" }
      assert.equal(64, result.code)
      assert.matches("go together", result.err)
      result = command.run { "copy", volume() .. "@s", "volumes/x", "--freeze-command", "true", "--thaw-command", "true" }
      assert.equal(64, result.code)
    end)
  end)
end)
