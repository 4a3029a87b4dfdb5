-- A journal in a pool that has reached its quota, whatever the pools of the source and of the target are like.

local core = require "siphon.core"
local json = require "siphon.json"

local bed = require "support.bed"
local ceph = require "support.ceph"
local command = require "support.command"
local ground = require "support.ground"

describe("a journal's pool at its quota", function()
  local here, scratch, journal, pool, who

  setup(function()
    scratch = ceph.scratch()
    journal = scratch:make_pool()
    local id, keyring = scratch:make_user(("mon 'profile rbd' osd 'profile rbd pool=volumes, profile rbd pool=images, "
      .. "profile rbd pool=%s'"):format(journal))
    who = { "--id", id, "--keyring", keyring, "--journal-pool", journal }
    pool = assert(scratch:connect({ id = id, keyring = keyring }):pool(journal))
    assert(pool:write("other", "somebody else's"))
    here = ground.new()
  end)
  teardown(function()
    here:clear()
    pool:close()
    scratch:clean()
  end)
  after_each(function() here:assert_clean() end)

  -- The pool takes no object any more, or does again.
  local function full(wanted)
    ceph.admin(("osd pool set-quota %s max_objects %d"):format(journal, wanted and 1 or 0))
    for _ = 1, 240 do
      local ok, err = pool:write("probe", "x")
      if ok then assert(pool:remove "probe") end
      if wanted and err and err:is "EDQUOT" or ok and not wanted then return end
      core.task.sleep(0.25)
    end
    error "the quota had no effect"
  end

  local function words(verb, ...)
    local list = { verb, ... }
    table.move(who, 1, #who, #list + 1, list)
    return list
  end

  local function copy(...)
    return words("copy", here.spec, "images/" .. here.name, "--quiet", "--route", "copy", ...)
  end

  local function listed()
    return command.run(words "jobs").out
  end

  local function assert_refused()
    full(true)
    local result = command.run(copy())
    full(false)
    assert.equal(69, result.code, result.err)
    assert.matches("raise the quota of pool " .. journal, result.err, 1, true)
    assert.matches("^[^\n]+\n$", result.err)
    assert.equal("", listed())
  end

  it("takes no first job, and nothing is begun", function()
    assert_refused()
  end)

  it("takes no further job, and nothing is begun", function()
    assert.equal(0, command.run(copy()).code)
    bed.remove("images/" .. here.name)
    assert_refused()
  end)

  it("lets a job that is on record already come to its end", function()
    local process = command.start(copy "--json", { env = { SIPHON_FAULT = "stop target.copy/rbd.copy_data/half" } })
    process:wait_until_stopped()
    full(true)
    process:signal "CONT"
    local result = process:wait(120)
    full(false)
    assert.equal(0, result.code, result.err)
    assert.equal(here.md5, bed.md5("images/" .. here.name))
    bed.remove("images/" .. here.name)
    assert.equal("", listed())
    local id = command.events(result.out)[1].job
    assert.equal("done", json.decode(command.run(words("job", id, "--json")).out).state)
  end)
end)
