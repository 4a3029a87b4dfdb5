-- What `before` and `after` may do, and what no policy may. (What `routes` may: policy_spec.)

local core = require "siphon.core"
local policies = require "siphon.policy"
local routes = require "siphon.routes"
local testing = require "siphon.testing"

describe("a policy's before and after", function()
  local path

  before_each(function() path = os.tmpname() .. ".lua" end)
  after_each(function()
    os.remove(path)
    os.remove((path:gsub("%.lua$", "")))
  end)

  local function policy(text)
    local file <close> = assert(io.open(path, "w"))
    file:write(text)
    file:close()
    return testing.policy(path)
  end

  -- The error of an `after` with that body.
  local function failure(body)
    local ok, err = pcall(policy("return { routes = function() return {} end, after = function(job) " .. body
      .. " end }").after, testing.job())
    assert.is_false(ok)
    return err
  end

  it("see the job, and cannot reach behind it", function()
    local after = policy([[return { routes = function() return {} end, after = function(job)
      assert(job.id and job.source == "volumes/vm1" and job.facts.source.size > 0 and job.bytes.size > 0)
      assert(job.image_id and job.location and job.route == "copy" and job.hash.checksum == "c1")
      job.hash.checksum = "changed"
    end }]]).after
    local job = testing.job { hash = { checksum = "c1" } }
    after(job)
    assert.equal("c1", job.hash.checksum)
    for _, name in ipairs { "connections", "entries", "journal", "step", "undo", "release", "request" } do
      local err = failure("return job." .. name)
      assert.equal("policy.failed", err.code)
      assert.matches("job%." .. name .. " is not open to a policy", err.message)
    end
    assert.matches("did you mean 'register'", failure("job:regster()").message)
    assert.matches("job.route cannot be set", failure("job.route = 'x'").message)
  end)

  it("know that there is no copy yet before the copy", function()
    local before = policy("return { routes = function() return {} end, before = function(job) job:seal() end }").before
    local ok, err = pcall(before, testing.job())
    assert.is_false(ok)
    assert.matches("there is no copy yet", err.message)
  end)

  it("may wait, log and call a web hook", function()
    local loaded = policy [[return { routes = function() return {} end, after = function(job)
      local answer, err = siphon.http.request { url = "http://hook.example/", method = "POST", body = job.image_id }
      siphon.log("hook", answer and answer.status or err)
    end }]]
    loaded.http.status = 202
    loaded.after(testing.job { image_id = "i" })
    assert.same({ "hook 202" }, loaded.log)
    assert.equal("i", loaded.http.requests[1].body)
    loaded.http.error = "refused"
    loaded.after(testing.job())
    assert.matches("hook .*refused", loaded.log[2])
  end)

  it("are the only ones who may", function()
    local loaded = policy [[return { routes = function() siphon.http.request { url = "http://x/" } end }]]
    local ok, err = pcall(loaded.routes, testing.facts())
    assert.is_false(ok)
    assert.matches("siphon.http is for `before` and `after`", err.message)
  end)

  it("are stopped in a loop without end, and may wait for as long as they like", function()
    assert.equal("policy.limit", failure("while true do end").code)
    assert.equal("policy.limit", failure("while true do pcall(error) end").code)
    local loaded = assert(policies.load(path))
    loaded.table.after = function() core.task.sleep(0.05) end
    assert.is_true(policies.call(loaded, "after", testing.job()))
  end)

  it("fail under the policy's name, at its line", function()
    local err = failure "local x = nil; return x.y"
    assert.equal("policy.failed", err.code)
    assert.matches("^policy '.*%.lua:1: attempt to index a nil value", err.message)
  end)
end)

describe("routes of the operator's own", function()
  local directory

  setup(function()
    directory = os.tmpname()
    os.remove(directory)
    os.execute("mkdir -p " .. directory .. "/routes")
  end)
  teardown(function() os.execute("rm -r " .. directory) end)

  -- Runs fn with the directory on the policy path.
  local function on_path(fn)
    local real = policies.path
    policies.path = function() return { directory } end -- luacheck: ignore
    local results = table.pack(pcall(fn))
    policies.path = real -- luacheck: ignore
    assert(results[1], results[2])
    return table.unpack(results, 2, results.n)
  end

  local function write(name, text)
    local file <close> = assert(io.open(("%s/routes/%s.lua"):format(directory, name), "w"))
    file:write(text)
  end

  local WHOLE = [[return { summary = "mine", applies = function() return true end,
    cost = function() return { copied = 0, through_host = 0 } end, steps = function() return {} end,
    run = function() end }]]

  it("are found on the policy path, and can be named by a policy", function()
    write("mine", WHOLE)
    on_path(function()
      assert.equal("mine", assert(routes.get "mine").summary)
      local loaded = { name = "p", path = "p", fenced = {}, table = { routes = function() return { "mine" } end } }
      assert.same({ "mine" }, (policies.routes(loaded, testing.facts(), routes.names)))
    end)
    assert.is_nil((routes.get "mine"))
  end)

  it("are checked like policies", function()
    write("half", [[return { summary = "x" }]])
    write("odd", (WHOLE:gsub("summary", "sumary")))
    write("broken", "return {")
    on_path(function()
      for name, message in pairs { half = "'applies' is missing", odd = "did you mean 'summary'", broken = "broken.lua:1" } do
        local route, err = routes.get(name)
        assert.is_nil(route)
        assert.matches(message, err.message)
      end
    end)
  end)
end)
