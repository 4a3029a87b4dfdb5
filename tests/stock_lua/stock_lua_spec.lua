-- All that the command does, from stock Lua: `lua5.4 -e 'siphon = require "siphon"'`.
local bed = require "support.bed"
local command = require "support.command"
local ground = require "support.ground"
local json = require "siphon.json"

local BUILD = os.getenv "SIPHON_BUILD" or "build"

-- What the code prints, in a lua5.4 of its own that has siphon as a global. env: more variables.
local function environment(env)
  local list = { "LUA_PATH=" .. command.quote(package.path), "LUA_CPATH=" .. command.quote(package.cpath),
    "LD_PRELOAD=" .. command.quote(os.getenv "SIPHON_PRELOAD" or "") }
  for name, value in pairs(env or {}) do list[#list + 1] = name .. "=" .. command.quote(value) end
  return "env " .. table.concat(list, " ") .. " "
end

local function lua(code, env)
  return command.shell(environment(env) .. "lua5.4 -e 'siphon = require \"siphon\"' -e " .. command.quote(code))
end

-- The same of code that returns something, by way of JSON.
local function value(code, env)
  return json.decode(lua("print(siphon.json.encode((function() " .. code .. " end)()))", env))
end

describe("stock Lua with siphon", function()
  local here, spec, name, expected
  setup(function()
    here = ground.new()
    spec, name, expected = here.spec, here.name, here.md5
  end)
  teardown(function() here:clear() end)
  after_each(function() here:assert_clean() end)

  -- A copy whose process dies in the middle; the id of its job, once the lease has run out.
  local function cut_off(target)
    local pool = target:find "^glance:" and "pool = 'images'" or ""
    local died = pcall(lua, ("assert(siphon.copy { source = %q, target = %q, route = 'copy', %s })")
      :format(spec, target, pool), { SIPHON_FAULT = "kill target.copy/rbd.copy_data/half", SIPHON_LEASE = "1" })
    assert.is_false(died) -- killed; what else could go wrong leaves no job
    return value(([[
      for _ = 1, 150 do
        for _, job in ipairs(assert(siphon.jobs.list {})) do
          if job.target == %q and job.state == "abandoned" then return { id = job.id } end
        end
        siphon.task.sleep(0.1)
      end
      return {}]]):format(target)).id
  end

  it("has a module that is not linked with a Lua of its own", function()
    assert.is_nil(command.shell(("ldd %s/lib/siphon/core.so"):format(BUILD)):find("liblua", 1, true))
  end)

  it("plans", function()
    local plan = value(("return assert(siphon.plan { source = %q, target = 'glance:x', pool = 'images' })"):format(spec))
    local told = json.decode(command.run({ "plan", "--json", "--pool", "images", spec, "glance:x" }).out)
    assert.equal("osd_copy", plan.route)
    for _, field in ipairs { "source", "target", "route", "reason", "policy", "summary", "others", "bytes" } do
      assert.same(told[field], plan[field])
    end
    assert.equal(#told.steps, #plan.steps)
  end)

  it("copies to Glance, and the job is in the history", function()
    local seen = value(([[
      local steps = 0
      local image = assert(siphon.copy { source = %q, target = "glance:stock", pool = "images",
        on_event = function(event) if event.event == "step" then steps = steps + 1 end end })
      local jobs = assert(siphon.jobs.list { all = true })
      local job = assert(siphon.jobs.show(jobs[#jobs].id))
      return { image = image, steps = steps, job = job }]]):format(spec))
    local id = seen.image.image_id
    assert.equal("active", bed.glance_image(id).status)
    assert.equal(expected, bed.glance_md5(id))
    assert.is_true(seen.steps > 5)
    assert.equal("done", seen.job.state)
    assert.equal(id, seen.job.image_id)
    assert.is_true(#seen.job.story > 5)
    bed.delete_glance_image(id)
  end)

  it("goes on with a job that was cut off", function()
    local id = cut_off("images/" .. name)
    assert.is_string(id)
    lua(("assert(siphon.jobs.resume(%q))"):format(id))
    assert.equal(expected, bed.md5("images/" .. name))
    bed.remove("images/" .. name)
  end)

  it("undoes a job that was cut off", function()
    local id = cut_off "glance:undone"
    assert.is_string(id)
    lua(("assert(siphon.jobs.undo(%q))"):format(id))
    assert.same({}, bed.glance_images "undone")
  end)

  it("cancels a copy by ending its task, which undoes it", function()
    local told = value(([[
      local freezing
      local copy = siphon.task.spawn(function()
        return siphon.copy { source = %q, target = "images/cancelled", route = "copy",
          freeze_command = "sleep 600", thaw_command = "true", on_event = function(event)
            if event.step == "source.freeze" and event.state == "started" then freezing = true end
          end }
      end)
      for _ = 1, 600 do
        if freezing then break end
        siphon.task.sleep(0.1)
      end
      copy:cancel()
      local image, err = copy:join()
      return { freezing = freezing, copied = image ~= nil, code = err.code }]]):format(spec))
    assert.same({ freezing = true, copied = false, code = "cancelled" }, told)
  end)

  it("finds what the doctor finds", function()
    local told, line = {}, command.run({ "doctor", "--json" }).out
    for found in line:gmatch "[^\n]+" do
      local finding = json.decode(found)
      told[#told + 1] = finding.area .. " " .. finding.what .. " " .. finding.state
    end
    local seen = value [[
      local list = {}
      for i, finding in ipairs(require("siphon.doctor").examine {}) do
        list[i] = finding.area .. " " .. finding.what .. " " .. finding.state
      end
      return list]]
    assert.same(told, seen)
  end)

  it("runs a command of the program's, and gets its exit code", function()
    local output = lua [[print(require("siphon.cli").main { "plan", "nowhere/x", "glance:y" })]]
    assert.matches("^siphon: .-%(ENOENT%)\n65\n$", output)
  end)

  it("is there twice in a process, in two states and two threads", function()
    -- A volume each: librbd 16.2 may abort when many open and close one image at once (AsyncOpTracker, in its closing).
    local other = bed.volume { size = 32, data = { { 0, 12 }, { 16, 4 } } }
    finally(function() bed.remove(other) end)
    local script = os.tmpname()
    local file <close> = assert(io.open(script, "w"))
    file:write(([[
      local siphon = require "siphon"
      local source = arg[1]:find "1$" and %q or %q
      assert(siphon.copy { source = source, target = arg[1], route = "copy" })
    ]]):format(spec, other))
    file:flush()
    command.shell(("%s%s/test/two-states %s images/%s-1 images/%s-2"):format(environment(), BUILD, script, name, name))
    os.remove(script)
    for i = 1, 2 do
      assert.equal(expected, bed.md5(("images/%s-%d"):format(name, i)))
      bed.remove(("images/%s-%d"):format(name, i))
    end
  end)
end)
