local progress = require "siphon.progress"

local MIB = 1 << 20

describe("siphon.progress", function()
  describe("a meter", function()
    it("tells rate and time left", function()
      local meter = progress.meter(100 * MIB, 0)
      local done, rate, left
      for second = 1, 10 do done, rate, left = meter:update(second * MIB, second) end
      assert.equal(10 * MIB, done)
      assert.near(MIB, rate, 0.01 * MIB)
      assert.near(90, left, 1)
    end)

    it("follows a change of pace within a few seconds", function()
      local meter = progress.meter(1000 * MIB, 0)
      for second = 1, 10 do meter:update(second * MIB, second) end
      local _, rate
      for second = 11, 20 do _, rate = meter:update((10 + (second - 10) * 10) * MIB, second) end
      assert.near(10 * MIB, rate, MIB)
    end)

    it("knows no time left while nothing moves, and none at the end", function()
      local meter = progress.meter(100, 0)
      local _, rate, left = meter:update(0, 1)
      assert.equal(0, rate)
      assert.is_nil(left)
      _, _, left = meter:update(100, 2)
      assert.equal(0, left)
    end)

    it("knows no rate below nothing when what was done is no longer", function()
      local meter = progress.meter(100, 0)
      meter:update(60, 2)
      local _, rate
      for second = 3, 12 do _, rate = meter:update(0, second) end
      assert.is_true(rate >= 0, tostring(rate))
    end)

    it("does not divide by no time at all", function()
      local meter = progress.meter(100, 5)
      local _, rate = meter:update(10, 5)
      assert.equal(0, rate)
    end)
  end)

  describe("a bar", function()
    it("fills from left to right, in eighths where the terminal can", function()
      assert.equal("....", progress.bar(0, 4, progress.ascii))
      assert.equal("##..", progress.bar(0.5, 4, progress.ascii))
      assert.equal("##..", progress.bar(0.6, 4, progress.ascii))
      assert.equal("####", progress.bar(1, 4, progress.ascii))
      assert.equal("██▍░", progress.bar(0.6, 4, progress.unicode))
    end)

    it("is always as wide as asked", function()
      for _, charset in ipairs { progress.ascii, progress.unicode } do
        for step = 0, 1000 do
          assert.equal(13, progress.columns(progress.bar(step / 1000, 13, charset)))
        end
      end
      assert.equal("####", progress.bar(1.5, 4, progress.ascii))
      assert.equal("....", progress.bar(-1, 4, progress.ascii))
    end)
  end)

  describe("a line", function()
    local state = { label = "volumes/vm1", done = 430 * MIB, total = 1000 * MIB, rate = 57 * MIB, left = 10 }

    it("shows everything where there is room", function()
      local line = progress.line(state, 110, progress.ascii)
      assert.matches("^volumes/vm1  #+%.+   43%%  ", line)
      assert.matches("430 MiB of 1000 MiB", (line:gsub("1.0 GiB", "1000 MiB")))
      assert.matches("57 MiB/s", line)
      assert.matches("10 s left$", line)
    end)

    it("shows what passed through this host, and lets the sizes go for it", function()
      local full = { label = "volumes/vm1", route = "copy", done = 430 * MIB, total = 1000 * MIB, rate = 57 * MIB, left = 10,
        through_host = 860 * MIB }
      assert.matches("57 MiB/s    10 s left  host 860 MiB$", progress.line(full, 120, progress.ascii))
      local narrow = progress.line(full, 80, progress.ascii)
      assert.matches("^volumes/vm1 %(copy%)  #+%.+ .* host 860 MiB$", narrow)
      assert.is_nil(narrow:find " of ")
      full.label = "volumes/" .. ("x"):rep(100)
      assert.matches("^volumes/x+~ %(copy%)  ", progress.line(full, 80, progress.ascii))
      full.through_host = 0
      assert.matches("host 0 B$", progress.line(full, 80, progress.ascii))
      assert.is_nil(progress.line(full, 40, progress.ascii):find "host")
    end)

    it("never grows wider than the terminal, and keeps the percentage to the last", function()
      for _, charset in ipairs { progress.ascii, progress.unicode } do
        for width = 4, 200 do
          for _, host in ipairs { false, 860 * MIB } do
            state.through_host = host or nil
            local line = progress.line(state, width, charset)
            assert.is_true(progress.columns(line) <= width, width .. ": " .. line)
            assert.matches("43%%", line)
          end
        end
      end
    end)

    it("keeps its shape while the numbers change", function()
      local function percent_column(done)
        return progress.line({ label = "x", done = done, total = 1000 * MIB, rate = done, left = 3 }, 100,
          progress.ascii):find("%%")
      end
      assert.equal(percent_column(9 * MIB), percent_column(10 * MIB))
      assert.equal(percent_column(9), percent_column(999 * MIB))
    end)

    it("does without what is not known", function()
      local line = progress.line({ label = "x", done = 0, total = 0, rate = 0 }, 80, progress.ascii)
      assert.matches("100%%", line)
      assert.is_nil(line:find("left"))
      assert.is_nil(line:find(" $"))
    end)
  end)

  it("cuts by characters, not bytes", function()
    assert.equal("äöü…", progress.cut("äöüßé", 4, progress.unicode))
    assert.equal("äöüß", progress.cut("äöüß", 4, progress.unicode))
    assert.equal("abc~", progress.cut("abcdef", 4, progress.ascii))
    assert.equal("", progress.cut("abcdef", 1, progress.ascii))
  end)
end)
