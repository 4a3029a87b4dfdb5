-- The testbed itself: beds come up more than once, stand side by side, heal, and go without a trace. Ceph alone, two
-- OSDs: what is specific to Glance and Keystone is seen by everything else that runs on a bed.
local command = require "support.command"

local TESTBED = "tests/testbed/testbed"

-- Calls the testbed; returns its output, or nil, the output and the exit code.
local function testbed(arguments)
  local path = os.tmpname()
  local ok, _, code = os.execute(("%s %s >%s 2>&1 </dev/null"):format(TESTBED, arguments, path))
  local file <close> = assert(io.open(path))
  local output = file:read "a"
  os.remove(path)
  if ok then return output end
  return nil, output, code
end

local function shell_succeeds(line)
  return (os.execute(line .. " >/dev/null 2>&1"))
end

describe("the testbed", function()
  local directory = command.shell("mktemp -d"):gsub("%s+$", "")
  local one, two = directory .. "/one", directory .. "/two"
  local UP = "up --no-glance --osds 2 --dir "

  teardown(function()
    testbed("down --dir " .. one)
    testbed("down --dir " .. two)
    command.shell("rm -r " .. directory)
  end)

  local function fsid(dir)
    return assert(testbed("admin --dir " .. dir .. " ceph fsid"))
  end

  it("brings up several beds side by side, with ports of their own", function()
    command.shell(("%s %s%s & first=$!; %s %s%s && wait $first"):format(TESTBED, UP, one, TESTBED, UP, two))
    assert.not_equal(fsid(one), fsid(two))
    assert.is_not_nil(testbed("status --dir " .. one))
    assert.is_not_nil(testbed("status --dir " .. two))
  end)

  it("leaves alone what is up", function()
    local before = fsid(one)
    assert(testbed(UP .. one))
    assert.equal(before, fsid(one))
  end)

  it("gives the restricted user, not the admin", function()
    local env = ('eval "$(%s env --dir %s)"; '):format(TESTBED, one)
    command.shell(env .. "rbd create -s 1M volumes/v && rbd rm --no-progress volumes/v")
    assert.is_nil(shell_succeeds(env .. "ceph osd pool create mine"))
  end)

  it("suspends, ends and brings back its daemons", function()
    assert(testbed("stop --dir " .. one .. " --kill osd.1"))
    assert.is_nil(testbed("status --dir " .. one))
    assert(testbed("start --dir " .. one .. " osd.1"))
    assert.is_not_nil(testbed("status --dir " .. one))
  end)

  it("heals a bed that died", function()
    assert(testbed("stop --dir " .. two .. " --kill mon mgr osd.0"))
    assert(testbed(UP .. two))
    assert.is_not_nil(testbed("status --dir " .. two))
  end)

  it("leaves no process and no file", function()
    assert(testbed("down --dir " .. one))
    assert(testbed("down --dir " .. two))
    assert(testbed("down --dir " .. two))
    assert.is_nil(shell_succeeds("ls -d " .. directory .. "/*"))
    assert.is_nil(shell_succeeds("pgrep -f [/]" .. directory:sub(2) .. "/"))
  end)

  it("says in one line what is wrong with a call", function()
    for _, call in ipairs { "", "upp", "up --osds none", "up --dri x", "env --dir " .. directory .. "/none" } do
      local output, text, code = testbed(call)
      assert.is_nil(output)
      assert.matches("^testbed: [^\n]+\n$", text)
      assert.is_true(code == 64 or code == 69, call .. ": " .. code)
    end
  end)
end)
