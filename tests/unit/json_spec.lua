local core = require "siphon.core"
local json = require "siphon.json"

describe("siphon.json.encode", function()
  it("writes integers exactly", function()
    for _, n in ipairs { 0, -1, 123456789012345678, math.maxinteger, math.mininteger, 2 ^ 53 | 0 } do
      assert.equal(("%d"):format(n), json.encode(n))
    end
  end)

  it("writes floats with the fewest digits that read back the same", function()
    assert.equal("0.1", json.encode(0.1))
    assert.equal("0.3333333333333333", json.encode(1 / 3))
    assert.equal("1e+300", json.encode(1e300))
    assert.equal("2", json.encode(2.0))
    for _ = 1, 1000 do
      local x = (math.random() - 0.5) * 10.0 ^ math.random(-300, 300)
      assert.equal(x, tonumber(json.encode(x)))
    end
  end)

  it("writes the rest of the scalars", function()
    assert.equal("true", json.encode(true))
    assert.equal("false", json.encode(false))
    assert.equal("null", json.encode(json.null))
    assert.equal('""', json.encode "")
  end)

  it("escapes strings", function()
    assert.equal([["a\"b\\c\n\t\u0000\u001f\u007f/é€"]], json.encode 'a"b\\c\n\t\0\31\127/é€')
  end)

  it("replaces bytes that are not UTF-8, one by one", function()
    assert.equal('"a\u{FFFD}b\u{FFFD}\u{FFFD}"', json.encode "a\xffb\xc3\xc3")
    assert.equal('"\u{FFFD}\u{FFFD}\u{FFFD}"', json.encode "\xed\xa0\x80") -- a surrogate
    assert.equal('"é\u{FFFD}"', json.encode "é\xe2")
    assert.equal('{"\u{FFFD}":1}', json.encode { ["\xfe"] = 1 })
  end)

  it("sorts the keys of objects", function()
    assert.equal('{"a":1,"b":{"c":3,"d":4},"z":0}', json.encode { z = 0, a = 1, b = { d = 4, c = 3 } })
  end)

  it("puts leading keys first, in the outermost object", function()
    local value = { job = 1, event = "x", time = 2, a = { time = 1, b = 2 } }
    assert.equal('{"event":"x","time":2,"a":{"b":2,"time":1},"job":1}',
      json.encode(value, { leading = { "event", "time", "absent", "time" } }))
  end)

  it("writes lists", function()
    assert.equal("[1,2,[3]]", json.encode { 1, 2, { 3 } })
    assert.equal("[null,1]", json.encode { json.null, 1 })
    assert.equal("[]", json.encode(json.array {}))
    assert.equal("{}", json.encode {})
    assert.equal("[1]", json.encode(json.array { 1 }))
  end)

  it("writes error objects with their fields", function()
    local err = core.error { code = "EBUSY", message = "in use", where = { pool = "p" } }
    assert.equal('{"code":"EBUSY","message":"in use","retryable":false,"where":{"pool":"p"}}', json.encode(err))
  end)

  it("writes a table twice that occurs twice", function()
    local t = { 1 }
    assert.equal('{"a":[1],"b":[1]}', json.encode { a = t, b = t })
  end)

  describe("refuses", function()
    local function refused(value, expected)
      local ok, err = pcall(json.encode, value)
      assert.is_false(ok)
      assert.equal("misuse", err.code)
      assert.equal(expected, err.message)
    end

    it("numbers that JSON has not", function()
      refused({ rate = { now = 0 / 0 } }, "NaN cannot be written as JSON at rate.now")
      refused({ 1, math.huge }, "infinity cannot be written as JSON at 2")
      refused(-math.huge, "infinity cannot be written as JSON")
    end)

    it("secrets, and does not show them", function()
      refused({ auth = { token = core.secret "s3cret" } }, "a Secret cannot be written as JSON at auth.token")
    end)

    it("what is no data", function()
      refused({ f = print }, "a function cannot be written as JSON at f")
      refused({ f = io.stdout }, "a userdata cannot be written as JSON at f")
      refused({ coroutine.create(print) }, "a thread cannot be written as JSON at 1")
      refused(nil, "a nil cannot be written as JSON")
    end)

    it("cycles", function()
      local t = { a = {} }
      t.a.b = t
      refused(t, "a table that contains itself cannot be written as JSON at a.b")
    end)

    it("tables that are neither list nor object", function()
      refused({ 1, 2, x = 3 }, "a table that is a list and has named fields as well cannot be written as JSON")
      refused({ l = { 1, nil, 3 } }, "a list with gaps cannot be written as JSON at l")
      refused({ [0] = 1 }, "a list with gaps cannot be written as JSON")
      refused({ [1.5] = 1 }, "a table with a key that is a number cannot be written as JSON")
      refused({ [true] = 1 }, "a table with a key that is a boolean cannot be written as JSON")
    end)
  end)

  it("knows its options", function()
    assert.is_false(pcall(json.encode, 1, { leeding = {} }))
  end)
end)

describe("siphon.json.decode", function()
  it("makes integers of whole numbers below 2^53", function()
    for text, value in pairs { ["1"] = 1, ["-7"] = -7, ["1024.0"] = 1024, ["1e3"] = 1000,
      ["123456789012345"] = 123456789012345, ["9007199254740991"] = 9007199254740991 } do
      local got = json.decode(text)
      assert.equal("integer", math.type(got))
      assert.equal(value, got)
    end
    assert.equal("float", math.type(json.decode "9007199254740993"))
    assert.equal("float", math.type(json.decode "0.5"))
  end)

  it("does so at any depth", function()
    local value = json.decode '{"a":[1,{"b":2}],"c":2.5}'
    assert.equal("integer", math.type(value.a[1]))
    assert.equal("integer", math.type(value.a[2].b))
    assert.equal(2.5, value.c)
  end)

  it("keeps null, or drops it from objects", function()
    local text = '{"a":null,"b":{"c":null,"d":1},"l":[null,1]}'
    local kept, dropped = json.decode(text), json.decode(text, { drop_null = true })
    assert.equal(json.null, kept.a)
    assert.equal(json.null, kept.b.c)
    assert.is_nil(dropped.a)
    assert.same({ d = 1 }, dropped.b)
    assert.equal(json.null, dropped.l[1])
  end)

  it("reads what encode wrote", function()
    local value = { a = 1, b = { 1, 2.5, "x\0\u{10FFFF}\"" }, c = { d = true }, n = json.null }
    assert.same(value, json.decode(json.encode(value)))
  end)

  it("says what is not JSON", function()
    for _, text in ipairs { "", "{", "[1,]", "{'a':1}", "NaN", "[Infinity]", "0x10", "1 2", "<html>", '"\\x"' } do
      local value, err = json.decode(text)
      assert.is_nil(value)
      assert.equal("json.invalid", err.code)
      assert.truthy(err.message:find("not JSON", 1, true))
    end
  end)

  it("does not overflow the stack", function()
    local value, err = json.decode(("["):rep(100000))
    assert.is_nil(value)
    assert.equal("json.invalid", err.code)
  end)

  it("wants a string", function()
    assert.is_false(pcall(json.decode, nil))
    assert.is_false(pcall(json.decode, 1))
  end)
end)
