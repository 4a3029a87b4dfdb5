-- `siphon complete` by itself: what it knows of commands and options is what their help says.
local command = require "support.command"
local cli = require "siphon.cli"

local function complete(...)
  local result = command.run({ "complete", "--", ... }, { env = { CEPH_CONF = "/nowhere" } })
  assert.equal(0, result.code)
  assert.equal("", result.err)
  local list = {}
  for line in result.out:gmatch "[^\n]+" do list[#list + 1] = line:match "^[^\t]*" end
  return list, result.out
end

local function has(list, word)
  for _, candidate in ipairs(list) do
    if candidate == word then return true end
  end
  return false
end

-- The words of each command line that takes options.
local function lines()
  local list = {}
  for _, known in ipairs(cli.commands) do
    local name = known[1]
    local found, main = pcall(require, "siphon.cli." .. name)
    if found then
      for _, sub in ipairs(main.subcommands or { false }) do list[#list + 1] = sub and { name, sub } or { name } end
    end
  end
  return list
end

describe("siphon complete", function()
  it("knows every command that the help lists", function()
    local list = complete ""
    for name in command.run({ "--help" }).out:gmatch "\n  (%l+) " do assert.is_true(has(list, name), name) end
    assert.equal(#cli.commands, #list)
  end)

  it("knows every option that the help of a command names", function()
    local seen = 0
    for _, words in ipairs(lines()) do
      local asked = table.move(words, 1, #words, 1, {})
      asked[#asked + 1] = "--help"
      local help = command.run(asked).out
      asked[#asked] = "-"
      local list = complete(table.unpack(asked))
      for _, pattern in ipairs { "%[(%-%-%l[%l-]*)", "\n +(%-%-%l[%l-]*)", "\n +%-%l, (%-%-%l[%l-]*)" } do
        for option in help:gmatch(pattern) do
          seen = seen + 1
          assert.is_true(has(list, option), table.concat(words, " ") .. " " .. option)
        end
      end
    end
    assert.is_true(seen > 200, "the help was not read: " .. seen)
  end)

  it("knows what every option with a value of a fixed set can be", function()
    local sets = {
      ["--route"] = "instant", ["--verify"] = "checksum", ["--disk-format"] = "qcow2", ["--hash"] = "sha512",
      ["--flatten"] = "mgr", ["--visibility"] = "community", ["--os-interface"] = "internal", ["--policy"] = "cheapest",
      ["--conf"] = ":files", ["--scratch"] = ":directories",
    }
    for option, value in pairs(sets) do
      assert.is_true(has(complete("copy", option, ""), value), option)
      if value:sub(1, 1) ~= ":" then
        assert.is_true(has(complete("copy", option .. "="), option .. "=" .. value), option .. "=")
      end
    end
  end)

  it("offers what begins like the word, with what it means", function()
    assert.same({ "copy", "complete" }, (complete "co"))
    assert.matches("\tcopy a volume", select(2, complete "copy"))
    assert.same({ "check", "test" }, (complete("policy", "")))
    assert.same({
      "--os-cacert", "--os-cloud", "--os-endpoint", "--os-interface", "--os-region-name", "--os-service-cloud", "--os-token",
    }, (complete "--os"))
    assert.same({ "copy" }, (complete("--os-cloud", "x", "-c", "y", "cop")))
    assert.same({ "plan" }, (complete("help", "pl")))
  end)

  it("is silent when there is nothing to offer", function()
    for _, words in ipairs {
      { "xyz" }, { "xyz", "" }, { "copy", "--timeout", "" }, { "copy", "--unknown=", "" }, { "version", "" },
      { "policy", "xyz", "" }, { "copy", "a/b", "c/d", "e" }, { "\255" }, { "copy", "%" },
    } do
      assert.same({}, (complete(table.unpack(words))))
    end
  end)
end)
