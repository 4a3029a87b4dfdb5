-- The REPL without a terminal: through a pipe, and the parts that need none.
local core = require "siphon.core"
local json = require "siphon.json"

local chunk = require "siphon.repl.chunk"
local command = require "support.command"
local history = require "siphon.repl.history"
local sessions = require "siphon.repl.session"

-- Runs `siphon repl` on the text.
local function repl(text, ...)
  local path = os.tmpname()
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
  file:close()
  local words = { command.program, "repl", ... }
  for i, word in ipairs(words) do words[i] = command.quote(word) end
  local line, err = table.concat(words, " "), os.tmpname()
  local pipe = assert(io.popen(("cat %s | %s 2>%s; echo $?"):format(path, line, err)))
  local out, code = pipe:read("a"):match "^(.-)(%d+)\n$"
  pipe:close()
  local errors_file <close> = assert(io.open(err))
  local complaint = errors_file:read "a"
  os.remove(path)
  os.remove(err)
  return tonumber(code), out, complaint
end

describe("siphon repl through a pipe", function()
  it("prints results, without prompt or colour", function()
    local code, out, err = repl "1 + 1\nx = 5\nfor i = 1, 2 do\n  print(i)\nend\nx, 'y'\n_2\n"
    assert.equal("", err)
    assert.equal("2\n1\n2\n5\n\"y\"\n\"y\"\n", out)
    assert.equal(0, code)
  end)

  it("ends at the first error, with 70 and one line, or goes on", function()
    local code, out, err = repl "1\nerror 'boom'\n2\n"
    assert.equal("1\n", out)
    assert.equal("siphon: input:1: boom\n", err)
    assert.equal(70, code)
    code, out, err = repl("1\nerror 'boom'\n2\n", "--keep-going")
    assert.equal("1\n2\n", out)
    assert.equal("siphon: input:1: boom\n", err)
    assert.equal(70, code)
    assert.equal(65, (repl "nil, siphon.error { code = 'ENOENT', message = 'gone' }"))
  end)

  it("refuses an end in the midst of a statement", function()
    local code, _, err = repl "for i = 1, 2 do\nprint(i)\n"
    assert.equal(70, code)
    assert.matches("the input ends in the midst of: for i = 1, 2 do", err)
  end)

  it("writes JSON, one object a result", function()
    local _, out = repl("1, nil, 'x'\nprint\nerror { code = 1 }\n", "--json")
    local first, second, third = out:match "^([^\n]+)\n([^\n]+)\n([^\n]+)\n$"
    assert.same({ 1, json.null, "x" }, json.decode(first).results)
    assert.matches("function", json.decode(second).results[1])
    assert.equal("lua.error", json.decode(third).error.code)
  end)

  it("waits for what runs in the background, and tells how it ended", function()
    local code, out = repl("late = false\n_ = spawn(function() repeat sleep(0.01) until late return 'late' end)\n"
      .. "'early'\nlate = true\n")
    assert.equal(0, code)
    assert.matches('^"early"\n%[1%] done: "late" %(.*%)\n$', out)
  end)

  it("is a script's interpreter too", function()
    assert.equal("42\n", select(2, repl "#!/usr/bin/siphon repl\n42\n:quit\n43\n"))
  end)

  it("explains itself", function()
    local _, out = repl("help 'rbd.create'\nhelp(siphon.rbd.Image.flatten)\nhelp 'nothing at all'\n"
      .. "help(siphon.units.bytes)\nhelp 'rbd.clone'\n")
    assert.matches("siphon%.rbd%.create%(pool, name, options%)", out)
    assert.matches("image:flatten%(options%?%)", out)
    assert.matches("nothing is known about 'nothing at all'", out)
    assert.matches("siphon%.units%.bytes%(bytes%)", out)
    assert.matches("image:clone%(", out)
  end)
end)

describe("a line that is interrupted before it begins", function()
  it("is cancelled, and the next one is not", function()
    local said = {}
    local front = { width = function() return 80 end, write = function(_, text) said[#said + 1] = text end }
    local second
    core.task.scope(function()
      local session = sessions.new(front, {})
      session:interrupt()
      session:run(function() core.task.sleep(1000) end, "first")
      second = session:run(function() core.task.sleep(0) end, "second")
      session:close()
    end)
    assert.equal("cancelled\n", said[#said])
    assert.is_true(second)
  end)
end)

describe("what was typed", function()
  it("is an expression, a statement, not complete, or wrong", function()
    assert.equal(2, chunk.compile("1 + 1", {})())
    assert.is_function(chunk.compile("x = 1", {}))
    for _, text in ipairs { "for i = 1, 2 do", "f(", "{ 1,", "x =", "[[ long", "function f()" } do
      assert.same({ nil, "incomplete" }, { chunk.compile(text, {}) })
    end
    for _, text in ipairs { "x = = 1", "'open", "end", "1 +* 2" } do
      assert.equal("wrong", select(2, chunk.compile(text, {})))
    end
  end)

  it("is not kept when it may hold a secret", function()
    for _, line in ipairs { "password = 'x'", "OS_TOKEN", "siphon.secret 'x'", "t.Passwd", "apikey" } do
      assert.is_true(history.is_secret(line), line)
    end
    assert.is_false(history.is_secret "copy('volumes/vm1', 'glance:golden')")
  end)
end)

describe("names out of the cluster", function()
  local asked, answer
  local cluster = { pools = function()
    asked = asked + 1
    return answer()
  end }

  before_each(function() asked = 0 end)

  it("are asked for once in a while", function()
    local names = require("siphon.repl.names").new { connections = { cluster = cluster } }
    answer = function() return { { name = "volumes" }, { name = "images" } } end
    assert.same({ "images", "volumes" }, names:pools())
    assert.same({ "images", "volumes" }, names:pools())
    assert.equal(1, asked)
  end)

  it("are none where the cluster is slow, fails, or is not there", function()
    local names = require("siphon.repl.names").new { connections = { cluster = cluster } }
    answer = function() error "no" end
    assert.same({}, names:pools())
    answer = function() core.task.sleep(60) end
    local began = core.task.now()
    assert.same({}, names:pools())
    assert.is_true(core.task.now() - began < 5)
    local nowhere = require("siphon.repl.names").new { connections = {} }
    for _, kind in ipairs { "pools", "jobs" } do assert.same({}, nowhere[kind](nowhere)) end
    assert.same({}, nowhere:specs "volumes/")
  end)
end)

describe("the reference", function()
  it("describes every function that Lua can call", function()
    command.shell "lua5.4 docs/reference/main.lua --check"
  end)

  it("is a manual page without mistakes, and types that are Lua", function()
    local build = os.getenv "SIPHON_BUILD" or "build"
    assert.equal("", command.shell(("luac5.4 -p %s/meta/siphon.lua"):format(build)))
    assert.equal("", command.shell(("man --warnings -l %s/man/siphon-lua.3 2>&1 >/dev/null"):format(build)))
  end)
end)
