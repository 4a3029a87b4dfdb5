-- Jobs that are cut off, and those who come after: on the real bed, by the command.

local core = require "siphon.core"
local json = require "siphon.json"

local bed = require "support.bed"
local command = require "support.command"
local eventually = require "support.eventually"
local ground = require "support.ground"
local jobs = require "siphon.jobs"
local servers = require "support.servers"
local actions = require("siphon.undo").actions

local FIELDS = {
  "error", "holder", "id", "image_id", "queue", "route", "source", "started", "state", "target", "updated",
}

describe("a job's record", function()
  local here, spec, name, expected

  setup(function()
    here = ground.new()
    spec, name, expected = here.spec, here.name, here.md5
  end)
  teardown(function() here:clear() end)
  after_each(function() here:assert_clean() end)

  local function start(arguments, env)
    return command.start(arguments, { env = env })
  end

  -- Every job that is not done.
  local function listed(...)
    local list = {}
    for line in command.run({ "jobs", "--json", ... }).out:gmatch "[^\n]+" do list[#list + 1] = json.decode(line) end
    return list
  end

  local function job_of(target)
    for _, entry in ipairs(listed()) do
      if entry.target == target then return entry end
    end
  end

  local function has_state(target, state)
    return eventually(("state %s of %s"):format(state, target), function()
      local entry = job_of(target)
      return entry and entry.state == state and entry
    end)
  end

  local function copy_to(target)
    local words = { "copy", spec, target, "--quiet", "--route", "copy" }
    if target:find "^glance:" then table.move({ "--pool", "images" }, 1, 2, #words + 1, words) end
    return words
  end

  -- A copy that dies at the point; returns its entry in the list, once the lease ran out.
  local function cut_off(point, target)
    local process = start(copy_to(target), { SIPHON_FAULT = "kill " .. point, SIPHON_LEASE = "1" })
    local result = process:wait(60)
    assert.equal(137, result.code, result.err)
    return has_state(target, "abandoned")
  end

  -- A copy that is alive, in the middle of a step, until it is told otherwise.
  local function alive(target, env)
    local process = start({ "copy", spec, target, "--freeze-command", "sleep 120", "--thaw-command", "true", "--json" }, env)
    has_state(target, "running")
    process:wait_for "source%.freeze"
    return process
  end

  local HALF = "target.copy/rbd.copy_data/half"

  it("is listed while it runs, with who has it", function()
    local process = alive("images/" .. name)
    local entry = job_of("images/" .. name)
    local keys = {}
    for key in pairs(entry) do keys[#keys + 1] = key end
    table.sort(keys)
    assert.same(FIELDS, keys)
    assert.same({ host = core.system.hostname(), pid = process.pid, user = core.system.user() }, entry.holder)
    assert.equal(spec, entry.source)
    assert.equal(json.null, entry.error)
    assert.equal(json.null, entry.image_id)
    process:signal "INT"
    assert.equal(130, process:wait(60).code)
    assert.is_nil(job_of("images/" .. name))
  end)

  it("is cancelled from elsewhere in the midst of a step, and undone", function()
    local target = "images/" .. name
    local process = alive(target)
    local id = job_of(target).id
    local told = command.run { "cancel", id }
    local since = core.system.time()
    assert.equal(0, told.code, told.err)
    assert.matches(("pid %d"):format(process.pid), told.out)
    local result = process:wait(60)
    assert.equal(130, result.code)
    local noticed
    for _, event in ipairs(command.events(result.out)) do
      if event.step == "source.freeze" and event.state == "failed" then noticed = event.time end
    end
    assert.is_true(noticed - since < 30, ("noticed after %.1f s"):format(noticed - since))
    assert.matches("cancelled by .* on .*; what was begun has been undone", result.err)
    assert.matches("cancelled by", command.run({ "job", id }).out)
  end)

  describe("whose image is there is finished by who cancels it", function()
    local LAST = "source.snapshot.undo/rados.omap_set"

    local function assert_finished(told, entry)
      assert.equal(0, told.code, told.err)
      assert.matches("too late to cancel job", told.out)
      assert.equal("done", json.decode(command.run({ "job", entry.id, "--json" }).out).state)
      assert.equal("active", bed.glance_image(entry.image_id).status)
      assert.equal(expected, bed.glance_md5(entry.image_id))
      assert.same({}, bed.rbd("snap ls " .. spec))
      bed.delete_glance_image(entry.image_id)
    end

    it("when nobody works on it", function()
      local entry = cut_off(LAST, "glance:" .. name)
      assert_finished(command.run { "cancel", entry.id }, entry)
    end)

    it("by its holder too", function()
      local process = start(copy_to("glance:" .. name), { SIPHON_FAULT = "stop " .. LAST, SIPHON_LEASE = "60" })
      process:wait_until_stopped()
      local entry = job_of("glance:" .. name)
      local told = command.run { "cancel", entry.id }
      core.task.sleep(1.5) -- so that it is time to look for a wish to cancel when it wakes up
      process:signal "CONT"
      local result = process:wait(60)
      assert.equal(0, result.code, result.err)
      assert_finished(told, entry)
    end)
  end)

  it("is respected while its holder lives", function()
    local target = "images/" .. name
    local process = alive(target, { SIPHON_LEASE = "9" })
    local id = job_of(target).id
    for _, what in ipairs { "resume", "undo" } do
      local refused = command.run { what, id }
      assert.equal(75, refused.code)
      assert.matches(("is being run by %s %%(pid %d"):format(core.system.hostname():gsub("%p", "%%%0"), process.pid),
        refused.err)
    end
    local again = command.run { "copy", spec, target, "--resume" }
    assert.equal(75, again.code)
    process:signal "TERM"
    assert.equal(130, process:wait(60).code)
  end)

  it("of one that was killed lets another go on, and tells the story", function()
    local entry = cut_off(HALF, "glance:" .. name)
    assert.equal("copy", entry.route)
    local shown = command.run({ "job", entry.id }).out
    assert.matches("abandoned", shown)
    assert.matches("copying the data: cut off", shown)
    assert.matches("siphon resume " .. entry.id:gsub("%-", "%%-"), shown)
    local result = command.run { "resume", entry.id }
    assert.equal(0, result.code, result.err)
    assert.matches("is active", result.out)
    assert.equal(expected, bed.md5("images/" .. entry.image_id))
    assert.equal("active", bed.glance_image(entry.image_id).status)
    local story = command.run({ "job", entry.id }).out
    local from = 1
    for _, words in ipairs { "begun by", "Glance record", "snapshot", "route copy is taken", "copying the data: cut off",
      "taken over by .* whose lease ran out", "data copied", "protected", "location registered", "is active",
      "given back", "done" } do
      local at = story:find(words, from)
      assert.is_not_nil(at, ("'%s' is missing, or out of order, in\n%s"):format(words, story))
      from = at
    end
    bed.delete_glance_image(entry.image_id)
  end)

  it("is what --resume looks for: the same command twice makes one image", function()
    local target = "glance:" .. name
    local id = cut_off(HALF, target).image_id
    for _ = 1, 2 do
      local result = command.run { "copy", spec, target, "--pool", "images", "--resume" }
      assert.equal(0, result.code, result.err)
      assert.matches(id, result.out, 1, true)
    end
    assert.equal(1, #bed.glance_images(name))
    assert.equal(expected, bed.md5("images/" .. id))
    bed.delete_glance_image(id)
  end)

  describe("of one that was killed while it was undone", function()
    local target = "images/" .. bed.name "killed-twice"

    local function cut_off_undoing()
      local process = alive(target, { SIPHON_FAULT = "kill source.freeze.undo/rados.omap_set", SIPHON_LEASE = "1" })
      process:signal "TERM"
      assert.equal(137, process:wait(60).code)
      return has_state(target, "abandoned")
    end

    it("is undone to its end by `resume`, which does not call that an image", function()
      local id = cut_off_undoing().id
      local result = command.run { "resume", id, "--quiet" }
      assert.equal(130, result.code, result.err)
      assert.matches("what was begun has been undone", result.err)
      assert.is_nil(job_of(target))
    end)

    it("makes room for a new one that --resume begins", function()
      cut_off_undoing()
      local result = command.run { "copy", spec, target, "--quiet", "--resume" }
      assert.equal(0, result.code, result.err)
      assert.equal(expected, bed.md5(target))
      assert.is_nil(job_of(target))
      bed.remove(target)
    end)
  end)

  it("of one whose undo failed stays, until the undo succeeds", function()
    local entry = cut_off("target.seal/rbd.snap_create", "glance:" .. name)
    local server = servers.start()
    server:script { ["DELETE /v2/images/" .. entry.image_id] = { { status = 409, body = "in use" } } }
    local failed = command.run({ "undo", entry.id, "--quiet" },
      { env = { OS_ENDPOINT = server.url, OS_AUTH_TYPE = "none" } })
    server:stop()
    assert.equal(75, failed.code)
    assert.matches("left behind: Glance image", failed.err)
    assert.equal("failed", job_of("glance:" .. name).state)
    local result = command.run { "undo", entry.id, "--quiet" }
    assert.equal(0, result.code, result.err)
    assert.is_nil(job_of("glance:" .. name))
  end)

  it("of one whose image cannot get its former name back keeps the image, until the undo succeeds", function()
    local target = "images/" .. name
    local entry = cut_off("target.publish/rados.omap_set#2", target)
    local renaming = actions.rename_image
    local run = renaming.run
    renaming.run = function() return nil, core.error { code = "ETIMEDOUT", message = "no answer" } end
    local ok, err = jobs.undo(entry.id)
    renaming.run = run
    assert.is_nil(ok)
    assert.matches("left behind: name of the image .*, image images/siphon%-" .. entry.id:gsub("%p", "%%%0"), err.message)
    assert.equal("failed", job_of(target).state)
    assert.is_true(jobs.undo(entry.id))
    assert.is_nil(job_of(target))
  end)

  it("is resumed with all others that were abandoned", function()
    for _, target in ipairs { "images/one", "images/two" } do cut_off(HALF, target) end
    local result = command.run { "resume", "--all", "--quiet" }
    assert.equal(0, result.code, result.err)
    for _, target in ipairs { "images/one", "images/two" } do
      assert.equal(expected, bed.md5(target))
      bed.remove(target)
    end
  end)

  describe("of one that was stopped for longer than its lease", function()
    -- Stops a copy at the point, lets another process do `what`, and wakes the first one up.
    local function overtake(point, target, what)
      local process = start(copy_to(target), { SIPHON_FAULT = "stop " .. point, SIPHON_LEASE = "1" })
      process:wait_until_stopped() -- one that begins looks abandoned for a moment
      local entry = has_state(target, "abandoned")
      local result = command.run { what, entry.id, "--quiet" }
      assert.equal(0, result.code, result.err)
      local there = bed.holdings()
      process:signal "CONT"
      local late = process:wait(60)
      assert.equal(75, late.code, late.err)
      assert.matches("was taken over by", late.err)
      -- What it sends to Glance cannot be barred: at most the empty record that it wrote down before.
      local record = what == "undo" and bed.glance_image(entry.image_id)
      if record then
        assert.equal("queued", record.status)
        assert.equal(json.null, record.size)
        bed.delete_glance_image(entry.image_id)
      end
      bed.assert_unchanged(there, bed.holdings, point)
    end

    for _, point in ipairs { "source.snapshot/rbd.snap_create", HALF, "target.publish/rados.omap_set" } do
      it(("at %s leaves the successor's image alone"):format(point), function()
        overtake(point, "images/" .. name, "resume")
        assert.equal(expected, bed.md5("images/" .. name))
        bed.remove("images/" .. name)
      end)
    end

    for _, point in ipairs { "glance.create/rados.omap_set", HALF, "glance.register/rados.omap_set" } do
      it(("at %s makes nothing once it was undone"):format(point), function()
        overtake(point, "glance:" .. name, "undo")
      end)
    end
  end)

  describe("lies", function()
    local function history(pool, namespace)
      local keys = command.shell(("rados -p %s --namespace '%s' listomapkeys siphon.jobs 2>/dev/null || true"):format(pool,
        namespace or ""))
      return select(2, keys:gsub("done%.", ""))
    end

    -- Arguments for a user of its own with these capabilities on the OSDs.
    local function user(osd)
      local keyring = os.tmpname()
      command.shell(("tests/testbed/testbed admin --dir %s ceph auth get-or-create client.spec-journal mon 'profile rbd' osd '%s' > %s")
        :format(bed.directory, osd, keyring))
      return { "--id", "spec-journal", "--keyring", keyring }, function()
        bed.admin "ceph auth del client.spec-journal"
        os.remove(keyring)
      end
    end

    local function copy(who, ...)
      local arguments = { "copy", ... }
      table.move(who, 1, #who, #arguments + 1, arguments)
      return command.run(arguments)
    end

    it("where its source does, namespace included", function()
      command.shell "rbd namespace create volumes/journal-spec"
      local inner = bed.volume { namespace = "journal-spec", size = 8, data = { { 0, 1 } } }
      local result = command.run { "copy", inner, "images/" .. name, "--quiet" }
      assert.equal(0, result.code, result.err)
      assert.equal(1, history("volumes", "journal-spec"))
      assert.matches(inner, command.run({ "jobs", "--all" }).out, 1, true)
      bed.remove("images/" .. name)
      bed.remove(inner)
      command.shell "rados -p volumes --namespace journal-spec rm siphon.jobs; rbd namespace remove volumes/journal-spec"
    end)

    it("with its target when the user may only read the source, and where --journal-pool says", function()
      command.shell(("rbd snap create --no-progress %s@s && rbd snap protect %s@s"):format(spec, spec))
      local who, done = user "profile rbd-read-only pool=volumes, profile rbd pool=images, profile rbd pool=rbd"
      local in_images = history "images"
      local result = copy(who, spec .. "@s", "images/" .. name, "--quiet")
      assert.equal(0, result.code, result.err)
      assert.equal(in_images + 1, history "images")
      bed.remove("images/" .. name)
      local refused = copy(who, spec .. "@s", "images/" .. name, "--journal-pool", "volumes")
      assert.equal(77, refused.code)
      assert.matches("--journal-pool, or do without a record with --no-journal", refused.err, 1, true)
      done()
      command.shell(("rbd snap unprotect %s@s && rbd snap rm --no-progress %s@s"):format(spec, spec))
    end)

    it("nowhere with --no-journal", function()
      local was = history "volumes"
      local result = command.run { "copy", spec, "images/" .. name, "--quiet", "--no-journal" }
      assert.equal(0, result.code, result.err)
      assert.equal(was, history "volumes")
      bed.remove("images/" .. name)
    end)
  end)

  it("takes back a rename that a client died over", function()
    local renaming = require "siphon.renaming"
    local undo = require "siphon.undo"
    local pool = bed.pool "images"
    assert(core.rbd.create(pool, "old", { size = 1 << 20 }))
    local id = renaming.id_of(pool, "old")
    -- The first thing that librbd does for a new name.
    assert(pool:write("rbd_id.new", assert(pool:read "rbd_id.old")))
    local data = { fsid = bed.cluster().fsid, pool = "images", image = "new", former = "old", image_id = id }
    assert.is_true(undo.run("rename_image", data, { pool = function() return pool end }))
    assert.is_nil(renaming.id_of(pool, "new"))
    assert.equal(id, renaming.id_of(pool, "old"))
    -- The last one that it has not done yet.
    assert(pool:write("rbd_id.new", assert(pool:read "rbd_id.old")))
    assert(pool:remove "rbd_id.old")
    assert(pool:write("rbd_id.old", assert(pool:read "rbd_id.new")))
    renaming.mend(pool, id, "new", "old")
    assert(core.rbd.rename(pool, "old", "new"))
    assert(core.rbd.remove(pool, "new"))
  end)

  it("that is not there is named as such", function()
    for _, what in ipairs { "job", "resume", "undo", "cancel" } do
      local result = command.run { what, "20260101-000000-000000" }
      assert.equal(65, result.code)
      assert.matches("there is no job", result.err)
    end
    local over = command.run { "jobs", "--all", "--json" }
    local last
    for line in over.out:gmatch "[^\n]+" do last = json.decode(line) end
    assert.is_true(last.state == "done" or last.state == "undone")
    assert.equal(0, #listed("--journal-pool", "images"))
  end)
end)
