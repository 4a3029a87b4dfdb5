local nearest = require "siphon.nearest"
local units = require "siphon.units"

describe("siphon.units", function()
  it("writes sizes with at most three digits", function()
    local cases = {
      [0] = "0 B", [1] = "1 B", [999] = "999 B", [1000] = "1.0 KiB", [1024] = "1.0 KiB", [1536] = "1.5 KiB",
      [10 * 1024] = "10 KiB", [999 * 1024] = "999 KiB", [1000 * 1024] = "1.0 MiB", [1 << 30] = "1.0 GiB",
      [10 << 40] = "10 TiB", [100 << 40] = "100 TiB", [math.maxinteger] = "8.0 EiB",
    }
    for bytes, text in pairs(cases) do assert.equal(text, units.bytes(bytes)) end
  end)

  it("writes rates", function()
    assert.equal("1.5 MiB/s", units.rate(1.5 * 1024 * 1024 + 0.25))
  end)

  it("writes durations", function()
    local cases = {
      [0] = "0.0 s", [0.44] = "0.4 s", [9.94] = "9.9 s", [9.96] = "10 s", [59.4] = "59 s", [59.6] = "1 min 0 s",
      [75] = "1 min 15 s", [3599] = "59 min 59 s", [7260] = "2 h 1 min", [90000] = "1 d 1 h",
    }
    for seconds, text in pairs(cases) do assert.equal(text, units.duration(seconds)) end
  end)

  it("reads rates", function()
    for text, rate in pairs { ["4096"] = 4096, ["200M"] = 200 << 20, ["1.5G"] = 3 << 29, ["8K"] = 8192 } do
      assert.equal(rate, units.parse_rate(text))
    end
    for _, bad in ipairs { "", "M", "-1", "1T", "10 M" } do
      local value, problem = units.parse_rate(bad)
      assert.is_nil(value)
      assert.matches("write bytes a second", problem)
    end
  end)

  it("reads durations", function()
    local cases = { ["90"] = 90, ["1.5"] = 1.5, ["30s"] = 30, ["5m"] = 300, ["5 min"] = 300, ["2h"] = 7200, ["1d"] = 86400 }
    for text, seconds in pairs(cases) do assert.equal(seconds, units.parse_duration(text)) end
    for _, bad in ipairs { "", "x", "5y", "-1", "1h30" } do
      local value, problem = units.parse_duration(bad)
      assert.is_nil(value)
      assert.matches("write seconds", problem)
    end
  end)

  it("reads times", function()
    local now = os.time { year = 2026, month = 1, day = 31, hour = 21, min = 30 }
    local function at(text) return os.date("%Y-%m-%d %H:%M:%S", math.floor(assert(units.parse_time(text, now)))) end
    assert.equal(now + 1800, units.parse_time("+30m", now))
    assert.equal("2026-01-31 22:00:00", at "22:00")
    assert.equal("2026-02-01 21:30:00", at "21:30")
    assert.equal("2026-02-28 06:05:04", at "2026-02-28 06:05:04")
    assert.equal("2026-02-28 06:05:00", at "2026-02-28T06:05")
    assert.equal(1767225600, units.parse_time("2026-01-01T00:00:00Z", now))
    for _, bad in ipairs { "", "tomorrow", "25:00", "2026-02-30 10:00", "2026-02-28", "2026-02-28 10:00 CET", "+x" } do
      local value, problem = units.parse_time(bad, now)
      assert.is_nil(value, bad)
      assert.matches("write ", problem)
    end
  end)
end)

describe("siphon.nearest", function()
  it("counts edits", function()
    assert.equal(0, nearest.distance("pool", "pool"))
    assert.equal(1, nearest.distance("pol", "pool"))
    assert.equal(1, nearest.distance("polo", "pool"))
    assert.equal(3, nearest.distance("kitten", "sitting"))
    assert.equal(4, nearest.distance("", "pool"))
  end)

  it("finds what was meant, and nothing when nothing is near", function()
    local words = { "copy", "clone_flatten", "upload" }
    assert.equal("copy", nearest.word("cpoy", words))
    assert.equal("clone_flatten", nearest.word("clone-flaten", words))
    assert.is_nil(nearest.word("xyz", words))
    assert.is_nil(nearest.word("x", { "ab" }))
    assert.equal("; did you mean 'copy'?", nearest.hint("coppy", words))
    assert.equal("", nearest.hint("something else", words))
  end)
end)
