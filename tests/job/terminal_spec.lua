-- `siphon copy` at a terminal: the bar, on a wide and on a narrow one, in colour and without, for one job and for two.
local bed = require "support.bed"
local command = require "support.command"
local terminal = require "support.terminal"

describe("siphon copy at a terminal", function()
  local before, spec, name, target

  setup(function()
    before = bed.inventory()
    spec, name = bed.volume { size = 64, data = { { 0, 60 } } }
    target = "volumes/" .. name .. "-copy"
  end)
  teardown(function()
    bed.remove(spec)
    bed.assert_unchanged(before)
  end)
  after_each(function() bed.remove(target) end)

  -- A copy that is slow enough to be looked at in its midst; arguments and environment beside the usual.
  local function copy(steps, arguments, env)
    local words = { "copy", spec, target, "--route", "osd_copy", "--max-rate", "24M" }
    table.move(arguments or {}, 1, #(arguments or {}), #words + 1, words)
    local all = { LC_ALL = "C.UTF-8", NO_COLOR = "", TERM = "xterm" }
    for key, value in pairs(env or {}) do all[key] = value end
    local result = terminal.run(words, steps, { env = all })
    assert.equal(0, result.code, result.text)
    bed.remove(target)
    return result
  end

  local function widest(text)
    local most = 0
    for line in text:gmatch "[^\n]+" do most = math.max(most, utf8.len(line) or #line) end
    return most
  end

  it("has a bar with the route, the rate, the time left and the bytes through this host", function()
    local result = copy { { "shows", "MiB/s .* left +host 0 B$" } }
    local bar = result.screens[1]:match "[^\n]*$"
    assert.matches("^" .. spec:gsub("%-", "%%-"):sub(1, 12), bar)
    assert.matches("░░", bar)
    assert.matches("%d+%%.* MiB/s +%d.* left  +host 0 B$", bar)
    assert.matches("\27%[32m", result.raw)
    local last = result.screens[2]
    assert.is_nil(last:find "%%")
    assert.matches("is complete: 64 MiB in [%d.]+ s by route osd_copy, [%d.]+ K?i?B through this host\n$", result.text)
  end)

  it("counts what passes through this host when it copies", function()
    local result = terminal.run({ "copy", spec, target, "--route", "copy" }, { { "expect", "100%" } },
      { env = { LC_ALL = "C.UTF-8" } })
    assert.matches("host 120 MiB", result.text)
    assert.matches("120 MiB through this host", result.text)
  end)

  it("names the route also where there is little room", function()
    local bar = copy({ { "resize", 24, 80 }, { "shows", "^volumes/v.* left +host 0 B$" } }).screens[1]:match "[^\n]*$"
    assert.matches("^volumes/v[^ ]*… %(osd_copy%)  ", bar)
    assert.matches("host 0 B$", bar)
    assert.is_true(widest(bar) < 80)
  end)

  it("stays within a narrow terminal, and one that gets narrow on the way", function()
    local result = copy { { "resize", 24, 30 }, { "shows", "^[█▉▊▋▌▍▎▏░]+ .*% .* left$" } }
    local bar = result.screens[1]:match "[^\n]*$"
    assert.is_true(widest(bar) < 30, bar)
    assert.matches("%d+%%", bar)
    result = copy {
      { "shows", "^volumes/v.* left +host 0 B$" }, { "resize", 24, 40 }, { "shows", "^[█▉▊▋▌▍▎▏░]+ .*MiB/s .* left$" },
    }
    bar = result.screens[2]:match "[^\n]*$"
    assert.is_true(widest(bar) < 40, bar)
    assert.equal(1, select(2, result.screens[2]:gsub("%d+%%", "")), result.screens[2])
  end)

  it("has no colour with NO_COLOR, and nothing but ASCII where that is all there is", function()
    assert.is_nil(copy({}, {}, { NO_COLOR = "1" }).raw:find "\27%[[%d;]+m")
    local result = copy({ { "shows", " left +host 0 B$" } }, {}, { LC_ALL = "C" })
    assert.matches("  [#.]+  ", result.screens[1]:match "[^\n]*$")
    assert.is_nil(result.raw:find "[\128-\255]")
  end)

  it("draws no bar when told not to, or where lines cannot be redrawn, and nothing at all with --quiet", function()
    local result = copy({}, { "--no-progress" })
    assert.is_nil(result.text:find "%%")
    assert.matches("copied by the OSDs", result.text)
    result = copy({}, {}, { TERM = "dumb" })
    assert.is_nil(result.raw:find "\27")
    assert.equal("", copy({}, { "--quiet" }).text)
  end)

  it("has a bar for each of two jobs", function()
    local other = bed.volume { size = 64, data = { { 0, 60 } } }
    local home = command.shell("mktemp -d"):gsub("%s+$", "")
    finally(function()
      bed.remove(other)
      bed.remove(target .. "2")
      command.shell("rm -r " .. home)
    end)
    local line = ("for i, v in ipairs { '%s', '%s' } do task.spawn(copy, { source = v, target = '%s' .. (i > 1 and i or ''), "
      .. "max_rate = 16 << 20 }) end"):format(spec, other, target)
    local result = terminal.run({ "repl" }, {
      { "resize", 40, 120 }, { "expect", "siphon> " }, { "type", line .. "\r" },
      { "shows", "% .*host 0 B\n.*% .*host 0 B$" },
      { "expect", "is complete" }, { "expect", "is complete" }, { "expect", "siphon> " }, { "leave" },
    }, { env = { XDG_STATE_HOME = home, LC_ALL = "C.UTF-8" } })
    local bars = select(2, result.screens[1]:gsub("%%[^\n]*host 0 B", ""))
    assert.equal(2, bars, result.screens[1])
  end)
end)
