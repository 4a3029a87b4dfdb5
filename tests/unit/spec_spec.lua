local spec = require "siphon.spec"

describe("siphon.spec", function()
  local function parse(text)
    local parsed, err = spec.parse(text)
    assert.is_nil(err and tostring(err))
    return parsed
  end

  local function refused(text)
    local parsed, err = spec.parse(text)
    assert.is_nil(parsed)
    assert.equal("spec.syntax", err.code)
    assert.is_nil(tostring(err):find("\n"))
    return err.message
  end

  describe("an RBD image", function()
    it("has a pool and a name", function()
      local s = parse "volumes/vm1"
      assert.same({ "rbd", "volumes", "vm1" }, { s.kind, s.pool, s.image })
      assert.is_nil(s.namespace)
      assert.is_nil(s.snapshot)
    end)

    it("may have a namespace and a snapshot", function()
      local s = parse "volumes/tenant/vm1@monday"
      assert.same({ "volumes", "tenant", "vm1", "monday" }, { s.pool, s.namespace, s.image, s.snapshot })
    end)

    it("may hold spaces and any other letters", function()
      local s = parse "volumes/my image ä漢@höhe 1"
      assert.same({ "my image ä漢", "höhe 1" }, { s.image, s.snapshot })
    end)

    it("prints as it was written", function()
      for _, text in ipairs { "volumes/vm1", "volumes/ns/vm1@s", "volumes/vm1@s 1" } do
        assert.equal(text, tostring(parse(text)))
      end
    end)

    it("is refused with what is missing", function()
      assert.matches("pool is missing", refused "vm1")
      assert.matches("part is empty", refused "volumes/")
      assert.matches("part is empty", refused "/vm1")
      assert.matches("part is empty", refused "volumes//vm1")
      assert.matches("snapshot's name is missing", refused "volumes/vm1@")
      assert.matches("too many '/'.*%%2F", refused "a/b/c/d")
      assert.matches("snapshot's name cannot hold.*%%40", refused "volumes/vm1@a@b")
      assert.matches("zero byte", refused "volumes/vm\0001")
      assert.matches("pool is missing", refused "")
    end)
  end)

  describe("a Glance image", function()
    it("is named by everything behind the colon", function()
      for _, name in ipairs { "golden", "a b", "with/slash", "with@at", "ünïcode 漢字", "glance:twice", " " } do
        local s = parse("glance:" .. name)
        assert.same({ "glance", name }, { s.kind, s.name })
        assert.equal("glance:" .. name, tostring(s))
      end
    end)

    it("needs a name of at most 255 characters in UTF-8", function()
      assert.matches("name of the Glance image is missing", refused "glance:")
      assert.matches("UTF%-8", refused "glance:\xff")
      assert.matches("255 characters, this one has 256", refused("glance:" .. ("ä"):rep(256)))
      assert.equal(255, utf8.len(parse("glance:" .. ("ä"):rep(255)).name))
    end)
  end)

  describe("a location", function()
    -- Each line as Python 3's urllib.parse.quote(x, '') writes it.
    local quoted = {
      ["plain-1.0_~x"] = "plain-1.0_~x", ["a b"] = "a%20b", ["a/b"] = "a%2Fb", ["a@b"] = "a%40b", ["ä"] = "%C3%A4",
      ["100%"] = "100%25", ["a+b&c=d?e#f"] = "a%2Bb%26c%3Dd%3Fe%23f", ["漢"] = "%E6%BC%A2", ["(x)!*'"] = "%28x%29%21%2A%27",
    }

    it("quotes like Python and back", function()
      for text, expected in pairs(quoted) do
        assert.equal(expected, spec.quote(text))
        assert.equal(text, spec.unquote(expected))
      end
      assert.equal("100% %zz", spec.unquote "100% %zz")
    end)

    it("round-trips", function()
      local location = spec.location("f-1", "my images", "id", "snap")
      assert.equal("rbd://f-1/my%20images/id/snap", location)
      assert.same({ fsid = "f-1", pool = "my images", image = "id", snapshot = "snap" }, (spec.parse_location(location)))
    end)

    it("has four parts, none empty, and a scheme in small letters", function()
      for _, bad in ipairs { "rbd://image", "rbd://f/p/i", "rbd://f/p/i/s/t", "rbd://f/p/i/", "rbd:///p/i/s", "RBD://f/p/i/s",
        "http://f/p/i/s" } do
        assert.is_nil((spec.parse_location(bad)))
      end
    end)

    it("names an image that a plain spec cannot", function()
      local s = parse "rbd://f/volumes/odd%2Fname%40x/snap"
      assert.same({ "rbd", "f", "volumes", "odd/name@x", "snap" }, { s.kind, s.fsid, s.pool, s.image, s.snapshot })
      assert.equal("rbd://f/volumes/odd%2Fname%40x/snap", tostring(s))
    end)
  end)

  it("takes tables too, and checks their keys", function()
    local s = assert(spec.parse { pool = "p", image = "a/b@c" })
    assert.equal("a/b@c", s.image)
    assert.equal("glance", assert(spec.parse { glance = "x" }).kind)
    local ok, err = pcall(spec.parse, { pool = "p", imgae = "x" })
    assert.is_false(ok)
    assert.matches("did you mean 'image'", err.message)
  end)

  it("tells the same image from another one", function()
    assert.is_true(spec.same_image(parse "p/i", parse "p/i@s"))
    assert.is_false(spec.same_image(parse "p/i", parse "p/n/i"))
    assert.is_false(spec.same_image(parse "p/i", parse "q/i"))
    assert.is_false(spec.same_image(parse "p/i", parse "glance:i"))
  end)
end)
