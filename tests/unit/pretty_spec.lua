local pretty = require "siphon.pretty"

local function lines(text)
  local list = {}
  for line in (text .. "\n"):gmatch "([^\n]*)\n" do list[#list + 1] = line end
  return list
end

describe("siphon.pretty", function()
  it("writes values as Lua does", function()
    for _, text in ipairs {
      "1", "1.5", "true", "nil", '"a\\n\\"b\\""', "{}", "{ 1, 2, 3 }", '{ a = 1, ["end"] = 2 }', '{ [3.5] = "x" }',
      '{ 1, b = { c = {} } }',
    } do
      assert.equal(text, pretty.format(load("return " .. text)()))
    end
  end)

  it("shows what is not UTF-8, and control characters, as escapes", function()
    assert.equal('"\\xff\\x00\\x1b[31m"', pretty.format "\xff\0\27[31m")
    assert.equal('"ünï"', pretty.format "ünï")
  end)

  it("puts one entry on a line where they do not fit on one, keys in order", function()
    local value = { ("x"):rep(50), b = 1, a = ("y"):rep(50) }
    assert.same({ "{", '  "' .. ("x"):rep(50) .. '",', '  a = "' .. ("y"):rep(50) .. '",', "  b = 1,", "}" },
      lines(pretty.format(value)))
  end)

  it("ends: in depth, in number, in length, in circles", function()
    local deep = {}
    local inner = deep
    for _ = 1, 100 do
      inner.x = {}
      inner = inner.x
    end
    assert.matches("{ %.%.%. }", pretty.format(deep))
    assert.is_true(#pretty.format(deep) < 200)
    local many = {}
    for i = 1, 10000 do many[i] = i end
    assert.matches("%.%.%. 9900 more", pretty.format(many))
    assert.matches('^"x+" %.%. %(600 more bytes%)$', pretty.format(("x"):rep(1000)))
    assert.matches('^"[ü]+" ', pretty.format(("ü"):rep(1000)))
    local circle = { name = "c" }
    circle.me = { circle }
    assert.equal('{ me = { <itself> }, name = "c" }', pretty.format(circle))
    local twice = {}
    assert.equal("{ {}, {} }", pretty.format { twice, twice })
  end)

  it("runs nothing of the value's but a guarded __tostring", function()
    local trap = setmetatable({ 1 }, { __index = error, __pairs = error, __len = error })
    assert.equal("{ 1 }", pretty.format(trap))
    assert.equal("<two ...>", pretty.format(setmetatable({}, { __tostring = function() return "two\nlines" end })))
    assert.equal("<a thing that cannot be printed>",
      pretty.format(setmetatable({}, { __name = "a thing", __tostring = function() error "no" end })))
  end)

  it("shows a list of records as a table", function()
    local value = {
      { name = "vm1", size = 10, tags = { "a", "b" } }, { name = "a longer one", size = 2000, locked = true },
    }
    assert.same({
      "name          locked  size  tags",
      "vm1                     10  a,b",
      "a longer one  true    2000",
    }, lines(pretty.format(value)))
    assert.matches("^{\n", pretty.format(value, { width = 20 }))
    assert.matches("^{ ", pretty.format { { a = {} , b = { c = 1 } } })
    local many = {}
    for i = 1, 500 do many[i] = { id = i } end
    assert.matches("%.%.%. 400 more$", pretty.format(many))
  end)

  it("colours when told to", function()
    assert.equal("\27[36m1\27[0m", pretty.format(1, { colour = true }))
  end)
end)

describe("siphon.pretty.wrap", function()
  it("breaks at spaces, and leaves a long word whole", function()
    assert.same({ "one two", "three" }, pretty.wrap("one two three", 9))
    assert.same({ "a", "muchtoolong", "b" }, pretty.wrap("a muchtoolong b", 5))
    assert.same({ "" }, pretty.wrap("", 5))
  end)
end)
