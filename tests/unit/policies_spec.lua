-- The policies that come with siphon, the sample situations, and what goes by them: the table in the docs, the guide, the
-- example. No cluster.

local decisions = require "siphon.decisions"
local policies = require "siphon.policy"
local testing = require "siphon.testing"

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

local function routes_of(name, given)
  return (testing.policy(name).routes(testing.facts(given)))
end

-- The route that would be taken in each situation, by its title.
local function taken(name)
  local by_title = {}
  for _, decision in ipairs(decisions.of(assert(policies.load(name)))) do
    by_title[decision.situation] = decision.route or "none"
  end
  return by_title
end

local IDLE = "an idle volume, the image store in the same cluster"
local QCOW2 = "a qcow2 image is wanted"
local ELSEWHERE = "the image store is in another cluster"

describe("the policy", function()
  for _, name in ipairs { "default", "copy", "clone_flatten", "instant", "upload", "cheapest", "by_size" } do
    it(name .. " says when to choose it, is short, and answers in every situation", function()
      local loaded = assert(policies.load(name))
      local text = read(loaded.path)
      assert.matches("^%-%-%- %S", text)
      assert.matches("\n%-%- Choose it ", text)
      assert.is_true(select(2, text:gsub("\n", "")) < 45)
      for _, decision in ipairs(decisions.of(loaded)) do
        assert.is_nil(decision.error and tostring(decision.error))
        assert.is_string(decision.reason)
      end
    end)
  end

  it("default uploads where it must, converts what is not raw, and copies everything else", function()
    local route = taken "default"
    assert.equal("upload", route[ELSEWHERE])
    assert.equal("upload", route["this user may not write to the pool of the images"])
    assert.equal("convert", route[QCOW2])
    assert.equal("none", route["Glance does not tell the pool of its images"])
    assert.same({ "upload" }, routes_of("default", { target = { pool = false }, options = { stores = { "fs" } } }))
    assert.matches("copy", route[IDLE])
    assert.matches("copy", route["another RBD image instead of a Glance image, in another cluster that is connected"])
  end)

  it("copy, clone_flatten and upload take the route that they are named for", function()
    for _, name in ipairs { "copy", "clone_flatten", "upload" } do assert.equal(name, taken(name)[IDLE]) end
    assert.equal("convert", taken "upload"[QCOW2])
  end)

  it("instant has a way for those who cannot have it", function()
    assert.equal("instant", taken "instant"[IDLE])
    assert.equal("upload", taken "instant"[ELSEWHERE])
    assert.equal("copy", taken "instant"["a volume that is being migrated to another pool"])
  end)

  it("by_size asks how much data there is, not how large the label says", function()
    assert.equal("instant", routes_of("by_size", { source = { size = 1 << 40, allocated = 1 << 39 } })[1])
    assert.are_not.equal("instant", routes_of("by_size", { source = { size = 1 << 40, allocated = 1 << 30 } })[1])
  end)

  it("cheapest goes by the routes' own costs, and never ties an image to its volume", function()
    local names = routes_of "cheapest"
    local last = -1
    for _, name in ipairs(names) do
      assert.are_not.equal("clone", name)
      local cost = require("siphon.routes").get(name).cost(testing.facts()).through_host
      assert.is_true(cost >= last)
      last = cost
    end
    assert.equal("upload", names[#names])
  end)
end)

describe("the sample situations", function()
  it("are twelve, each with a title of its own", function()
    local seen, count = {}, 0
    for _, entry in ipairs(testing.situations()) do
      assert.is_nil(seen[entry[1]])
      seen[entry[1]], count = true, count + 1
    end
    assert.equal(12, count)
  end)

  it("are those of docs/decisions.md, with what the default policy decides now", function()
    local table_now = decisions.markdown(decisions.of(assert(policies.load "default")))
    assert.truthy(read "docs/decisions.md":find(table_now, 1, true),
      "docs/decisions.md is stale; its table is what `build/siphon policy check default --markdown` prints")
  end)
end)

describe("siphon.testing", function()
  it("makes up facts, takes away what is given as false, and refuses what is no fact", function()
    local facts = testing.facts { source = { size = 5 }, target = { pool = false, writable = false } }
    assert.equal(5, facts.source.size)
    assert.equal("volumes", facts.source.pool)
    assert.is_nil(facts.target.pool)
    assert.is_false(facts.target.writable)
    assert.is_false((pcall(function() return facts.source.sise end)))
  end)

  it("has a job that writes down what is done to it, and fails where it is told to", function()
    local policy = testing.policy "default"
    local job = testing.job { failing = { verify = "sizes differ" } }
    local ok, err = pcall(policy.after, job)
    assert.is_false(ok)
    assert.matches("sizes differ", err.message)
    assert.same({ "seal", "verify" }, job.calls)
  end)
end)

describe("docs/policy-guide.md", function()
  local function snippets()
    local list = {}
    for fence, body in read "docs/policy-guide.md":gmatch "```lua([^\n]*)\n(.-)```" do
      list[#list + 1] = { name = fence:match "%S+", text = body }
    end
    return list
  end

  it("has policies that load and decide in every situation, and specs that pass", function()
    local directory = os.tmpname()
    os.remove(directory)
    assert(os.execute("mkdir " .. directory))
    local checked = 0
    for _, snippet in ipairs(snippets()) do
      assert.is_string(snippet.name, "a snippet without a file name: " .. snippet.text)
      local path = directory .. "/" .. snippet.name
      local file <close> = assert(io.open(path, "w"))
      file:write(snippet.text)
      file:close()
      if not snippet.name:find "_spec" then
        for _, decision in ipairs(decisions.of(assert(policies.load(path)))) do assert.is_nil(decision.error) end
      end
      checked = checked + 1
    end
    assert.is_true(checked >= 3)
    local program = (os.getenv "SIPHON_BUILD" or "build") .. "/siphon"
    local pipe <close> = assert(io.popen(("%s policy test %s 2>&1"):format(program, directory)))
    local output = pipe:read "a"
    os.execute("rm -r " .. directory)
    assert.matches("[1-9]%d* successe?s? / 0 failures / 0 errors", output)
  end)
end)

describe("the example policy", function()
  it("is at most 15 lines, and its own specs pass", function()
    assert.is_true(select(2, read "examples/policies/golden.lua":gsub("\n", "")) <= 15)
    local program = (os.getenv "SIPHON_BUILD" or "build") .. "/siphon"
    local pipe <close> = assert(io.popen(program .. " policy test examples/policies 2>&1"))
    assert.matches("7 successes / 0 failures / 0 errors", (pipe:read "a"))
  end)
end)
