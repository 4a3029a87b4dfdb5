local core = require "siphon.core"
local json = require "siphon.json"
local servers = require "support.servers"

local http, task = core.http, require "siphon.task"

describe("siphon.http.request", function()
  local server

  setup(function() server = servers.start() end)
  teardown(function() server:stop() end)

  local function echo(options)
    options.url = server.url .. (options.url or "/echo")
    local response = assert(http.request(options))
    assert.equal(200, response.status)
    return json.decode(response.body), response
  end

  it("keeps its connection from the processes that are started meanwhile", function()
    local function connections_of_a_child()
      local pipe <close> = assert(io.popen [[
        for inode in $(ls -l /proc/self/fd | sed -n 's/.*socket:\[\(.*\)\]$/\1/p'); do grep " $inode " /proc/net/tcp; done]])
      return pipe:read "a"
    end
    local found
    echo { method = "POST", body = ("x"):rep(1 << 20), progress = function() found = found or connections_of_a_child() end }
    assert.equal("", found)
  end)

  describe("what is sent", function()
    it("is a GET by default", function()
      local seen, response = echo { url = "/echo?a=b%20c" }
      assert.equal("GET", seen.method)
      assert.equal("/echo?a=b%20c", seen.target)
      assert.equal("siphon", seen.headers["user-agent"])
      assert.is_nil(seen.headers["content-length"])
      assert.equal(server.url .. "/echo?a=b%20c", response.url)
      assert.equal(0, response.bytes_sent)
      assert.equal(#response.body, response.bytes_received)
    end)

    it("has any method, and a body with its length", function()
      for _, method in ipairs { "POST", "PUT", "PATCH", "DELETE", "OPTIONS" } do
        local seen, response = echo { method = method, body = "hello" }
        assert.equal(method, seen.method)
        assert.equal(5, seen.body_bytes)
        assert.equal("5", seen.headers["content-length"])
        assert.is_nil(seen.headers["content-type"])
        assert.equal(5, response.bytes_sent)
      end
    end)

    it("says that a body is empty where a method has one", function()
      for _, method in ipairs { "POST", "PUT", "PATCH" } do
        assert.equal("0", echo({ method = method }).headers["content-length"])
        assert.equal("0", echo({ method = method, body = "" }).headers["content-length"])
      end
      assert.is_nil(echo({ method = "DELETE" }).headers["content-length"])
    end)

    it("keeps every byte of a body", function()
      local seen = echo { method = "PUT", body = "\0\r\n\xff" }
      assert.equal(4, seen.body_bytes)
      assert.equal("d0585d080e1306012af277c93878dfdff7c00b3e8602893d8361bbcc6e8a791c", seen.sha256)
    end)

    it("has the headers that were given", function()
      local seen = echo { headers = { ["X-One"] = "1", ["X-Number"] = 12345678901234, ["X-Empty"] = "",
        ["X-Secret"] = core.secret "s3cret", Accept = "application/json", ["User-Agent"] = "spec" } }
      assert.equal("1", seen.headers["x-one"])
      assert.equal("12345678901234", seen.headers["x-number"])
      assert.equal("", seen.headers["x-empty"])
      assert.equal("s3cret", seen.headers["x-secret"])
      assert.equal("application/json", seen.headers.accept)
      assert.equal("spec", seen.headers["user-agent"])
    end)
  end)

  describe("what comes back", function()
    it("is a response at any status", function()
      for _, status in ipairs { 200, 201, 400, 401, 403, 404, 409, 413, 415, 500, 503 } do
        local response = assert(http.request { url = server.url .. "/status/" .. status })
        assert.equal(status, response.status)
        assert.equal("req-" .. status, response.headers["x-openstack-request-id"])
        assert.truthy(response.body:find("refused", 1, true))
      end
    end)

    it("has headers in lower case, several of a name as one", function()
      local _, response = echo {}
      assert.equal("application/json", response.headers["content-type"])
      assert.equal("one, two", response.headers["x-twice"])
    end)

    it("has an empty body where there is none", function()
      local response = assert(http.request { url = server.url .. "/big?bytes=0" })
      assert.equal("", response.body)
    end)

    it("gives HEAD no body, though a length is announced", function()
      local response = assert(http.request { method = "HEAD", url = server.url .. "/big?bytes=0" })
      assert.equal(200, response.status)
      assert.equal("", response.body)
    end)

    it("may be large, up to max_body", function()
      local response = assert(http.request { url = server.url .. "/big?bytes=3000000" })
      assert.equal(3000000, #response.body)
      local none, err = http.request { url = server.url .. "/big?bytes=1001", max_body = 1000 }
      assert.is_nil(none)
      assert.equal("http.too_large", err.code)
      assert.equal(200, err.http.status)
      assert.equal(1000, #assert(http.request { url = server.url .. "/big?bytes=1000", max_body = 1000 }).body)
    end)

    it("can bring secrets", function()
      local response = assert(http.request {
        url = server.url .. "/echo", secret_headers = { "X-Twice", "x-absent" },
      })
      assert.equal("userdata", type(response.headers["x-twice"]))
      assert.equal("<secret>", tostring(response.headers["x-twice"]))
      assert.equal("application/json", response.headers["content-type"])
    end)
  end)

  it("uses a connection again", function()
    local first, second = echo {}, echo {}
    assert.equal(first.connection, second.connection)
    assert.is_true(second.nth > first.nth)
  end)

  it("does many at once", function()
    local functions = {}
    for i = 1, 100 do
      functions[i] = function() return echo({ url = "/echo?n=" .. i }).target end
    end
    local targets = task.gather(functions)
    for i = 1, 100 do assert.equal("/echo?n=" .. i, targets[i]) end
  end)

  describe("misuse raises:", function()
    local function refused(options, expected)
      options.url = options.url or server.url .. "/echo"
      local ok, err = pcall(http.request, options)
      assert.is_false(ok)
      assert.truthy(tostring(err):find(expected, 1, true), tostring(err))
    end

    it("line ends and zero bytes in names and values of headers", function()
      for _, bad in ipairs { "\r", "\n", "\0", "\r\nX-Evil: 1", "a\rb", "\1", "\127" } do
        refused({ headers = { ["X-A"] = bad } }, "no line ends")
        refused({ headers = { ["X-A"] = core.secret("x" .. bad) } }, "no line ends")
        refused({ headers = { ["X" .. bad] = "1" } }, "letters, digits and hyphens")
      end
      for _, bad in ipairs { "", "X A", "X:A", "Xé", "X\t" } do
        refused({ headers = { [bad] = "1" } }, "letters, digits and hyphens")
      end
    end)

    it("headers that follow from the body", function()
      refused({ headers = { ["content-length"] = "3" } }, "follows from the body")
      refused({ headers = { ["Transfer-Encoding"] = "chunked" } }, "follows from the body")
    end)

    it("a method or a URL that would end a line", function()
      for _, bad in ipairs { "GET /\r\nX: 1", "G ET", "GET\n", "" } do
        refused({ method = bad }, "an HTTP method is a word")
      end
      refused({ method = "GET\0" }, "zero byte")
      for _, bad in ipairs { "/a b", "/a\r\nX: 1", "/\n", "/\127" } do
        refused({ url = server.url .. bad }, "percent-encode")
      end
      refused({ url = server.url .. "/\0" }, "zero byte")
      refused({ url = "" }, "empty")
    end)

    it("unknown options, with the nearest", function()
      refused({ methd = "GET" }, "did you mean 'method'?")
      refused({ body = { fil = "/etc/passwd" } }, "did you mean 'file'?")
      refused({ sink = { imag = 1 } }, "did you mean 'image'?")
    end)

    it("wrong types and values", function()
      refused({ headers = { 1 } }, "names are strings")
      refused({ headers = { A = {} } }, "a string, a number or a Secret expected")
      refused({ headers = "A: b" }, "table")
      refused({ body = 7 }, "option 'body'")
      refused({ body = {} }, "names a file or an image")
      refused({ body = { file = "x", image = 1 } }, "Image")
      refused({ sink = "x" }, "option 'sink'")
      refused({ timeout = -1 }, "number of seconds")
      refused({ timeout = "1" }, "timeout")
      refused({ max_redirects = -1 }, "negative")
      refused({ progress = 1 }, "function")
      refused({ secret_headers = "x" }, "list of names")
      assert.is_false(pcall(http.request, server.url))
      assert.is_false(pcall(http.request, {}))
    end)
  end)

  it("reports progress of an answer", function()
    local last, total = 0, nil
    assert(http.request { url = server.url .. "/big?bytes=2000000", progress = function(done, all)
      assert.is_true(done >= last)
      last, total = done, all
    end })
    assert.equal(2000000, last)
    assert.equal(2000000, total)
  end)

  it("ends when the progress function fails", function()
    local response, err = http.request {
      url = server.url .. "/drip?count=100&delay=0.02", progress = function() error "enough" end,
    }
    assert.is_nil(response)
    assert.equal("lua.error", err.code)
    assert.truthy(err.message:find("enough", 1, true))
  end)
end)

describe("siphon.secret", function()
  it("shows nothing", function()
    local secret = core.secret "s3cret"
    assert.equal("<secret>", tostring(secret))
    assert.equal("<secret>", ("%s"):format(secret))
    assert.equal("siphon.Secret", getmetatable(secret))
    assert.is_false(pcall(function() return secret .. "" end))
    assert.is_false(pcall(function() return #secret end))
    assert.is_false(pcall(function() return secret < secret end))
    assert.is_false(pcall(function() secret.x = 1 end))
    assert.is_nil(secret.bytes)
  end)

  it("is equal to itself only", function()
    local secret = core.secret "s3cret"
    assert.is_true(rawequal(secret, core.secret(secret)))
    assert.is_false(secret == core.secret "s3cret")
    assert.is_false(secret == "s3cret")
  end)

  it("is revealed only on purpose", function()
    assert.equal("s3\0cret", core.secret("s3\0cret"):reveal())
  end)

  it("takes nothing but strings", function()
    assert.is_false(pcall(core.secret))
    assert.is_false(pcall(core.secret, {}))
  end)
end)
