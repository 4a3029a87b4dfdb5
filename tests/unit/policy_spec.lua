local facts = require "siphon.facts"
local policy = require "siphon.policy"

local KNOWN = { "copy", "clone_flatten" }

describe("siphon.policy", function()
  local directory

  setup(function()
    directory = os.tmpname()
    os.remove(directory)
    os.execute("mkdir -p " .. directory .. "/lib")
  end)
  teardown(function() os.execute("rm -rf " .. directory) end)

  local function write(name, text)
    local path = directory .. "/" .. name
    local file <close> = assert(io.open(path, "wb"))
    file:write(text)
    return path
  end

  local function load(text, name)
    return policy.load(write(name or "p.lua", text))
  end

  local function sample(given)
    return facts.sample(given or {
      source = { fsid = "f", size = 1 << 30, features = { "layering" } }, target = { fsid = "f", kind = "glance" },
      image = { disk_format = "raw" },
    })
  end

  local function ask(text, given)
    local loaded = assert(load(text))
    return policy.routes(loaded, sample(given), KNOWN)
  end

  -- The message of the error that asking a policy with this body of routes(facts) ends with.
  local function failure(body)
    local names, err = ask("return { routes = function(facts) " .. body .. " end }")
    assert.is_nil(names)
    return err.message, err.code
  end

  it("loads a file and asks it", function()
    local names, reason = ask [[
      --- Small ones first.
      return { routes = function(facts)
        if facts.source.size > 10 then return { "copy", "clone_flatten" }, "it is large" end
        return { "clone_flatten" }
      end }]]
    assert.same({ "copy", "clone_flatten" }, names)
    assert.equal("it is large", reason)
  end)

  it("takes the summary from the header", function()
    local loaded = assert(load "--- What it does.\n--\n-- When.\nreturn { routes = function() return {} end }")
    assert.equal("What it does.", loaded.summary)
  end)

  describe("finding", function()
    it("names the path when there is no such policy", function()
      local loaded, err = policy.load "no_such_policy"
      assert.is_nil(loaded)
      assert.equal("policy.not_found", err.code)
      assert.matches("/etc/siphon/policies", err.message)
      loaded, err = policy.load "./no/such.lua"
      assert.is_nil(loaded)
      assert.matches("no such file", err.message)
    end)

    it("knows its own policies", function()
      for _, name in ipairs { "default", "copy", "clone_flatten" } do
        local loaded = assert(policy.load(name))
        assert.is_true(#loaded.summary > 10)
        assert.same("table", type((policy.routes(loaded, sample(), KNOWN))))
      end
    end)

    it("does not take a directory for a file", function()
      assert.is_nil((policy.load(directory .. "/lib")))
    end)
  end)

  describe("what it returns", function()
    it("is checked, with the nearest key named", function()
      local _, err = load "return { route = function() end }"
      assert.equal("policy.invalid", err.code)
      assert.matches("unknown key 'route'; did you mean 'routes'", err.message)
      _, err = load "return { routes = 1 }"
      assert.matches("'routes' has to be a function, not number", err.message)
      _, err = load "return { after = function() end }"
      assert.matches("'routes' is missing", err.message)
      _, err = load "return { routes = function() end, osd_copy = { spars = 0 } }"
      assert.matches("osd_copy has no option 'spars'; did you mean 'sparse'", err.message)
      _, err = load "return { routes = function() end, osd_copy = { dense = 2 } }"
      assert.matches("osd_copy: 'dense' is a share from 0 to 1", err.message)
      _, err = load "return { routes = function() end, osd_copy = { max_rate = '1G' } }"
      assert.matches("'max_rate' has to be of type integer, not string", err.message)
      _, err = load "return 1"
      assert.matches("return a table, not number", err.message)
      _, err = load ""
      assert.matches("return a table, not nil", err.message)
    end)

    it("is a list of known routes", function()
      assert.matches("unknown route 'clone%-flatten'; did you mean 'clone_flatten'", (failure "return { 'clone-flatten' }"))
      assert.matches("not string", (failure "return 'copy'"))
      assert.matches("not nil", (failure ""))
      assert.matches("returned a number", (failure "return { 1 }"))
      assert.matches("plain list", (failure "return { 'copy', x = 1 }"))
      assert.matches("plain list", (failure "return { x = 1 }"))
      assert.matches("reason as a string", (failure "return { 'copy' }, 1"))
    end)

    it("may be empty: a refusal with its reason", function()
      local names, reason = ask "return { routes = function() return {}, 'not on a Friday' end }"
      assert.same({}, names)
      assert.equal("not on a Friday", reason)
    end)
  end)

  describe("the fence", function()
    it("refuses bytecode", function()
      local loaded, err = load(string.dump(function() return {} end))
      assert.is_nil(loaded)
      assert.equal("policy.syntax", err.code)
      assert.matches("bytecode", err.message)
    end)

    it("tells the place of a syntax error", function()
      local _, err = load "return {\n  routes = = 1 }"
      assert.matches("p%.lua:2:", err.message)
    end)

    it("raises for an undefined name, with the nearest", function()
      assert.matches("p%.lua:1: undefined name 'fatcs'", (failure "return fatcs"))
      assert.matches("undefined name 'iparis'; did you mean 'ipairs'", (failure "return iparis({})"))
    end)

    it("raises when a global would be made", function()
      assert.matches("write `local x`", (failure "x = 1"))
    end)

    it("closes what reaches outside, naming it", function()
      for name, use in pairs {
        io = "io.open('x')", ["os.execute"] = "os.execute('true')", ["os.remove"] = "os.remove('x')",
        ["os.exit"] = "os.exit(1)", debug = "debug.getinfo(1)", package = "package.loaded",
        dofile = "dofile('x')", loadfile = "loadfile('x')", load = "load('return 1')", coroutine = "coroutine.create()",
        ["string.dump"] = "string.dump(print)", collectgarbage = "collectgarbage()",
      } do
        local message, code = failure("local _ = " .. use)
        assert.equal("policy.failed", code)
        assert.matches("'?" .. name:gsub("%.", "%%.") .. "'? is not open to a policy", message)
      end
    end)

    it("leaves what a decision needs", function()
      local names = ask [[return { routes = function(facts)
        local hour = tonumber(os.date("%H"))
        assert(math.floor(1.5) == 1 and ("x"):rep(2) == "xx" and string.format("%d", hour) and os.getenv("HOME") ~= 1)
        assert(select("#", table.unpack { 1, 2 }) == 2 and utf8.len("ä") == 1)
        for name in pairs(math) do assert(type(name) == "string") end
        return { "copy" }
      end }]]
      assert.same({ "copy" }, names)
    end)

    it("keeps the libraries as they are", function()
      assert.matches("cannot be set", (failure "string.format = nil"))
      assert.matches("did you mean 'floor'", (failure "math.flor(1)"))
    end)

    it("stops a loop without end, also one that swallows errors", function()
      for _, body in ipairs { "while true do end", "while true do pcall(function() while true do end end) end",
        "local function f() return f() end f()", "repeat until pcall(error)" } do
        local message, code = failure(body)
        assert.equal("policy.limit", code)
        assert.matches("did not decide within", message)
      end
    end)

    it("stops one that eats memory", function()
      local message, code = failure "local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end"
      assert.equal("policy.limit", code)
      assert.matches("MiB of memory", message)
    end)

    it("stops a loop at load time too", function()
      local _, err = load "while true do end"
      assert.equal("policy.limit", err.code)
    end)

    it("leaves the caller's own hook alone", function()
      local calls = 0
      local function hook() calls = calls + 1 end
      debug.sethook(hook, "", 1000000)
      failure "while true do end"
      local after = debug.gethook()
      debug.sethook()
      assert.equal(hook, after)
    end)

    it("keeps an error object as it is", function()
      local _, err = ask "return { routes = function() error(siphon.error { code = 'mine', message = 'x' }) end }"
      assert.equal("mine", err.code)
    end)

    it("names the policy and the line of any other error", function()
      local message, code = failure "local x = nil; return x.y"
      assert.equal("policy.failed", code)
      assert.matches("p%.lua:1: attempt to index a nil value", message)
    end)

    it("names a fact that does not exist, and refuses to set one", function()
      assert.matches("no fact 'source.sice'; did you mean 'size'", (failure "return facts.source.sice"))
      assert.matches("no fact 'sorce'; did you mean 'source'", (failure "return facts.sorce"))
      assert.matches("cannot be set", (failure "facts.source.size = 1"))
    end)
  end)

  describe("composition", function()
    it("builds on another policy", function()
      write("night.lua", "return { routes = function() return { 'clone_flatten' }, 'night' end }")
      local names, reason = ask(([[
        local night = siphon.policy %q
        return { routes = function(facts) return night.routes(facts) end }]]):format(directory .. "/night.lua"))
      assert.same({ "clone_flatten" }, names)
      assert.equal("night", reason)
    end)

    it("bounds the other policy as well", function()
      write("loop.lua", "return { routes = function() while true do end end }")
      local _, err = ask(("local other = siphon.policy %q return { routes = other.routes }"):format(directory .. "/loop.lua"))
      assert.equal("policy.limit", err.code)
    end)

    it("refuses a circle", function()
      local path = directory .. "/circle.lua"
      local _, err = load(("local me = siphon.policy %q return me"):format(path), "circle.lua")
      assert.equal("policy.invalid", err.code)
      assert.matches("loads itself", err.message)
    end)

    it("requires Lua files from the policy path, and nothing else", function()
      local message = failure "require 'cjson'"
      assert.matches("no module 'cjson' on the policy path", message)
    end)

    it("logs where it is told", function()
      local loaded = assert(load "return { routes = function() siphon.log('size', 1) return {} end }")
      local logged
      loaded.set_log(function(text) logged = text end)
      policy.routes(loaded, sample(), KNOWN)
      assert.equal("size 1", logged)
    end)
  end)
end)
