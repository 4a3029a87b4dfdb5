local cli = require "siphon.cli"
local core = require "siphon.core"
local exit = require "siphon.cli.exit"

-- Runs the command in this process, with siphon.copy replaced; returns the exit code, what it printed, what it
-- complained, and the options that reached siphon.copy or siphon.plan.
local function run(arguments, answer)
  -- luacheck: push ignore 122
  local copy = package.loaded["siphon.copy"]
  local asked
  local function fake(options)
    asked = options
    if answer then return answer(options) end
    return {}
  end
  package.loaded["siphon.copy"] = { copy = fake, plan = fake }
  local out, err = {}, {}
  local real_stdout, real_stderr, real_write = io.stdout, io.stderr, io.write
  local function collector(list)
    return {
      write = function(self, ...)
        for _, text in ipairs { ... } do list[#list + 1] = text end
        return self
      end,
      flush = function(self) return self end,
    }
  end
  io.stdout, io.stderr = collector(out), collector(err)
  io.write = function(...) return io.stdout:write(...) end
  local ok, code = pcall(cli.main, arguments)
  io.stdout, io.stderr, io.write = real_stdout, real_stderr, real_write
  package.loaded["siphon.copy"] = copy
  -- luacheck: pop
  assert(ok, code)
  return code, table.concat(out), table.concat(err), asked
end

local function lines(text)
  return select(2, text:gsub("\n", ""))
end

describe("siphon", function()
  it("prints its version, without loading much", function()
    for _, form in ipairs { "--version", "version", "-V" } do
      local code, out = run { form }
      assert.equal(0, code)
      assert.equal("siphon " .. core.version .. "\n", out)
    end
  end)

  it("prints help: alone, for itself and for each command", function()
    for _, form in ipairs { {}, { "--help" }, { "-h" }, { "help" } } do
      local code, out = run(form)
      assert.equal(0, code)
      assert.matches("Commands:", out)
    end
    for _, command in ipairs { "copy", "plan", "run" } do
      for _, form in ipairs { { command, "--help" }, { "help", command }, { command, "-h" } } do
        local code, out = run(form)
        assert.equal(0, code)
        assert.matches("Usage: siphon " .. command, out)
      end
    end
  end)

  it("answers a wrong command line with one line and 64", function()
    local cases = {
      [{ "cpoy" }] = "unknown command 'cpoy'; did you mean 'copy'",
      [{ "help", "cpoy" }] = "unknown command 'cpoy'",
      [{ "--jsno" }] = "unknown option '%-%-jsno'",
      [{ "--id", "x" }] = "command is missing",
      [{ "copy" }] = "missing argument 'source'",
      [{ "copy", "v/a" }] = "missing argument 'target'",
      [{ "copy", "v/a", "v/b", "v/c" }] = "too many arguments",
      [{ "copy", "v/a", "v/b", "--rout", "copy" }] = "unknown option '%-%-rout'; did you mean '%-%-route'",
      [{ "copy", "v/a", "v/b", "--no-progres" }] = "did you mean '%-%-no%-progress'",
      [{ "copy", "v/a", "v/b", "--timeout", "soon" }] = "'soon' is not a time",
      [{ "copy", "v/a", "v/b", "--pool" }] = "'%-%-pool' requires an argument",
      [{ "run" }] = "missing argument 'script'",
      [{ "run", "--jsno" }] = "unknown option",
    }
    for arguments, message in pairs(cases) do
      local code, out, err = run(arguments)
      assert.equal(exit.USAGE, code)
      assert.equal("", out)
      assert.equal(1, lines(err), err)
      assert.matches("^siphon: .*" .. message, err)
    end
  end)

  it("hands the options on", function()
    local code, _, _, asked = run { "copy", "volumes/vm1@s", "glance:a b", "--policy", "p", "--route", "copy", "--pool", "images",
      "--image-id", "u", "--timeout", "2m", "--no-space-check", "-c", "/c", "--id", "me", "--cluster", "k", "-k", "/k", "-q" }
    assert.equal(0, code)
    assert.same({
      source = "volumes/vm1@s", target = "glance:a b", policy = "p", route = "copy", pool = "images", image_id = "u",
      timeout = 120, check_space = false, conf = "/c", id = "me", cluster = "k", keyring = "/k",
    }, asked)
  end)

  it("takes the Ceph options before the command too", function()
    local _, _, _, asked = run { "--id", "me", "--conf=/c", "-n", "client.x", "copy", "v/a", "v/b", "-q" }
    assert.same({ "me", "/c", "client.x", "v/a" }, { asked.id, asked.conf, asked.name, asked.source })
  end)

  it("takes names that begin with a dash behind --", function()
    local _, _, _, asked = run { "copy", "-q", "--", "v/a", "glance:-x" }
    assert.equal("glance:-x", asked.target)
  end)

  describe("output", function()
    local function one_step(options)
      if options.on_event then
        options.on_event { event = "job.start", job = "j", time = 1, source = "v/a", target = "v/b" }
        options.on_event { event = "step", job = "j", time = 2, step = "x", state = "done", detail = "x done" }
        options.on_event { event = "progress", job = "j", time = 2, step = "x", done = 1, total = 2, rate = 1 }
      end
      return {}
    end

    it("is plain lines where stdout is no terminal", function()
      local _, out = run({ "copy", "v/a", "v/b" }, one_step)
      assert.matches("^v/a %-> v/b\nx done\nx: 50%%, 1 B of 2 B", out)
    end)

    it("is one JSON object a line with --json", function()
      local json = require "siphon.json"
      local _, out = run({ "copy", "v/a", "v/b", "--json" }, one_step)
      local names = {}
      for line in out:gmatch "[^\n]+" do names[#names + 1] = json.decode(line).event end
      assert.same({ "job.start", "step", "progress" }, names)
    end)

    it("is nothing with --quiet, and no progress with --no-progress", function()
      local _, out = run({ "copy", "v/a", "v/b", "--quiet" }, one_step)
      assert.equal("", out)
      _, out = run({ "copy", "v/a", "v/b", "--no-progress" }, one_step)
      assert.equal("v/a -> v/b\nx done\n", out)
    end)
  end)

  describe("an error", function()
    local function failing(fields)
      return function() return nil, core.error(fields) end
    end

    it("is one line with place and code, and its own exit code", function()
      local code, _, err = run({ "copy", "v/a", "v/b", "-q" }, failing { code = "EPERM", op = "rbd.create", message = "permission denied",
        where = { pool = "images", image = "x" } })
      assert.equal(exit.NO_PERMISSION, code)
      assert.equal("siphon: images/x: permission denied (EPERM)\n", err)
    end)

    it("does not say the place twice, and never takes two lines", function()
      local _, _, err = run({ "copy", "v/a", "v/b", "-q" }, failing { code = "ENOENT", message = "there is no\nimage 'x'", where = {
        pool = "images", image = "x" } })
      assert.equal("siphon: there is no image 'x' (ENOENT)\n", err)
    end)

    it("tells its causes with -v", function()
      local _, _, err = run({ "copy", "v/a", "v/b", "-q", "-v" }, failing { code = "timeout", message = "too slow",
        cause = core.error { code = "ETIMEDOUT", op = "rbd.open", message = "timed out" } })
      assert.matches("^siphon: too slow %(timeout%)\n  because: rbd.open: timed out %(ETIMEDOUT%)\n$", err)
    end)

    it("that is a bug shows where", function()
      local code, _, err = run({ "copy", "v/a", "v/b", "-q" }, function() return nil .. "" end)
      assert.equal(exit.INTERNAL, code)
      assert.matches("cli_spec", err)
      assert.matches("stack traceback", err)
    end)
  end)

  it("gives every documented error an exit code, and one that may pass another", function()
    local function code_of(code, retryable) return exit.code_of(core.error { code = code, message = "", retryable = retryable }) end
    assert.equal(65, code_of "ENOENT")
    assert.equal(69, code_of "rados.unreachable")
    assert.equal(69, code_of("glance.server", true))
    assert.equal(75, code_of "timeout")
    assert.equal(75, code_of("something new", true))
    assert.equal(70, code_of "something new")
    assert.equal(77, code_of "glance.forbidden")
    assert.equal(130, code_of "cancelled")
  end)
end)

describe("siphon run", function()
  local path
  before_each(function() path = os.tmpname() end)
  after_each(function()
    os.remove(path)
    _G.siphon, _G.arg = nil, nil
  end)

  local real_exit = os.exit
  after_each(function() os.exit = real_exit end) -- luacheck: ignore

  local function script(text, ...)
    local file <close> = assert(io.open(path, "w"))
    file:write(text)
    file:close()
    return run { "run", path, ... }
  end

  it("has the module and the arguments, options included", function()
    local code, out = script("io.write(siphon.version, ' ', arg[0] ~= nil and arg[1] or '', ' ', ...)", "--json", "-x")
    assert.equal(0, code)
    assert.equal(core.version .. " --json --json-x", out)
  end)

  it("shows an error with its traceback and ends with 70", function()
    local code, _, err = script "local function deep() error 'bad' end\ndeep()"
    assert.equal(70, code)
    assert.matches(":1: bad\nstack traceback:", err)
    assert.matches(":2: in main chunk", err)
  end)

  it("shows an error object of siphon in one line first", function()
    local code, _, err = script "error(siphon.error { code = 'mine', message = 'no' })"
    assert.equal(70, code)
    assert.matches("^siphon: no %(mine%)\n", err)
  end)

  it("passes an exit code on, and closes what is open", function()
    local code, out = script [[
      local guard <close> = setmetatable({}, { __close = function() io.write "closed" end })
      pcall(os.exit, 7)
      siphon.task.sleep(1)
      io.write "not reached"]]
    assert.equal(7, code)
    assert.equal("closed", out)
    assert.equal(0, (script "os.exit()"))
    assert.equal(0, (script "os.exit(true)"))
    assert.equal(1, (script "os.exit(false)"))
  end)

  it("passes an exit code on from a task of the script", function()
    assert.equal(9, (script "siphon.task.spawn(function() os.exit(9) end) siphon.task.sleep(5)"))
  end)

  it("answers a missing or a broken script with one line", function()
    local code, _, err = run { "run", "/no/such/script.lua" }
    assert.equal(exit.DATA, code)
    assert.matches("^siphon: there is no script '/no/such/script.lua'", err)
    code, _, err = script "x = = 1"
    assert.equal(exit.DATA, code)
    assert.matches("^siphon: .*:1: ", err)
    assert.equal(1, lines(err))
  end)
end)
