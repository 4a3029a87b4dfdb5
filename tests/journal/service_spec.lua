-- The worker as a service manager sees it: readiness, signs of life, reloading, stopping.

local core = require "siphon.core"

local bed = require "support.bed"
local command = require "support.command"
local queue = require "support.queue"

describe("siphon worker, as a service", function()
  local spec, name, directory

  setup(function()
    spec, name = bed.volume { size = 4, data = { { 0, 1 } } }
    directory = command.shell("mktemp -d"):gsub("%s+$", "")
    queue.open(spec, "images/" .. name)
  end)
  teardown(function()
    bed.remove(spec)
    command.shell("rm -r " .. directory)
  end)

  local function policy(route)
    local file <close> = assert(io.open(directory .. "/default.lua", "w"))
    file:write(('--- One route.\nreturn { routes = function() return { "%s" }, "told so" end }\n'):format(route))
  end

  local function wait_for_line(path, text)
    command.shell(("for i in $(seq 300); do grep -qxF '%s' %s && exit 0; sleep 0.1; done; cat %s; exit 1"):format(text,
      path, path))
  end

  it("says when it can take jobs, that it lives, reads policies again, and that it stops", function()
    local socket, log = directory .. "/notify", directory .. "/log"
    local listener = command.shell(("/usr/bin/python3 tests/support/notify_socket.py %s %d >%s 2>&1 & echo $!"):format(
      socket, core.system.pid(), log)):gsub("%s+$", "")
    local process
    finally(function()
      if process then process:signal "KILL" end
      command.shell("kill " .. listener)
    end)
    command.shell(("for i in $(seq 100); do test -S %s && exit 0; sleep 0.1; done; exit 1"):format(socket))
    policy "copy"
    process = command.start({ "worker", "--poll", "60", "--json" }, { env = {
      NOTIFY_SOCKET = socket, WATCHDOG_USEC = "400000", SIPHON_POLICY_PATH = directory,
    } })
    wait_for_line(log, "READY=1")
    wait_for_line(log, "WATCHDOG=1")
    local function done_by(target, route)
      local submitted = command.run({ "submit", spec, target }, { env = { SIPHON_POLICY_PATH = directory } })
      assert.equal(0, submitted.code, submitted.err)
      local id = submitted.out:gsub("%s+$", "")
      process:wait_for(('"event":"job.done"[^\n]*"job":"%s"'):format((id:gsub("%-", "%%-"))), 60)
      assert.matches("route *" .. route, command.run({ "job", id }).out)
      bed.remove(target)
    end
    done_by("images/" .. name, "copy")
    policy "clone_flatten"
    local broken <close> = assert(io.open(directory .. "/broken.lua", "w"))
    broken:write "return {"
    broken:close()
    process:signal "HUP"
    wait_for_line(log, "RELOADING=1")
    process:wait_for "broken"
    done_by("images/" .. name, "clone_flatten")
    process:signal "TERM"
    wait_for_line(log, "STOPPING=1")
    local result = process:wait(60)
    assert.equal(0, result.code, result.err)
  end)
end)
