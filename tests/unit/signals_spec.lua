-- What the command does when it is told to end while it cleans up.
local command = require "support.command"

describe("siphon, told to end", function()
  local path
  before_each(function() path = os.tmpname() end)
  after_each(function() os.remove(path) end)

  local function start(text)
    local file <close> = assert(io.open(path, "w"))
    file:write("io.stdout:setvbuf 'no'\n", text)
    file:close()
    return command.start { "run", path }
  end

  -- Cleans up for as long as its own file is there, and a moment more.
  local SHIELDED = [[
    siphon.task.shield(function()
      print 'cleaning'
      repeat
        local file = io.open(%q)
        if file then file:close() end
        siphon.task.sleep(0.05)
      until not file
      print 'clean'
    end)]]

  it("lets what is shielded wait to its end", function()
    local process = start(SHIELDED:format(path))
    process:wait_for "cleaning"
    process:signal "TERM"
    os.remove(path)
    local result = process:wait()
    assert.equal(130, result.code)
    assert.equal("cleaning\nclean\n", result.out)
  end)

  it("takes a terminal that is closed for one wish to end, however often it says so", function()
    local process = start(SHIELDED:format(path))
    process:wait_for "cleaning"
    for _ = 1, 4 do process:signal "HUP" end
    os.remove(path)
    local result = process:wait()
    assert.equal(130, result.code)
    assert.equal("cleaning\nclean\n", result.out)
  end)
end)
