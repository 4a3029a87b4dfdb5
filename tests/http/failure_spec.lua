local core = require "siphon.core"
local servers = require "support.servers"

local http, task = core.http, require "siphon.task"

describe("siphon.http.request that gets no answer", function()
  local server

  setup(function() server = servers.start() end)
  teardown(function() server:stop() end)

  local function failure(options)
    options.url = options.url or server.url .. options.path
    options.path = nil
    local response, err = http.request(options)
    assert.is_nil(response)
    assert.is_nil(tostring(err):find("\n", 1, true))
    assert.equal("http.request", err.op)
    return err
  end

  local CLOSED = 1 -- a port that nobody listens on
  local NOWHERE = ("n"):rep(64) .. ".invalid" -- longer than a label may be: no server is asked about it

  describe("http.connect:", function()
    it("nobody listens", function()
      local err = failure { url = ("http://127.0.0.1:%d/x?secret=1"):format(CLOSED) }
      assert.equal("http.connect", err.code)
      assert.equal(111, err.errno)
      assert.is_true(err.retryable)
      assert.truthy(err.message:find(("127.0.0.1:%d: Connection refused"):format(CLOSED), 1, true))
      assert.equal(("http://127.0.0.1:%d/x"):format(CLOSED), err.where.url)
    end)

    it("no such host", function()
      local err = failure { url = ("http://%s/"):format(NOWHERE) }
      assert.equal("http.connect", err.code)
      assert.truthy(err.message:find("no address is known of " .. NOWHERE, 1, true))
    end)

    it("the proxy refuses, or is not there", function()
      -- An explicit proxy counts whatever no_proxy says; this one knows no CONNECT.
      local err = failure { url = "https://127.0.0.1:1/", proxy = server.url }
      assert.equal("http.connect", err.code)
      assert.truthy(err.message:find("the proxy refuses to connect to 127.0.0.1:1", 1, true))
      err = failure { path = "/echo", proxy = ("http://%s:3128"):format(NOWHERE) }
      assert.equal("http.connect", err.code)
      assert.truthy(err.message:find("no_proxy", 1, true))
    end)
  end)

  describe("http.cut:", function()
    it("the answer stops before its announced length", function()
      local err = failure { path = "/cut?after=500" }
      assert.equal("http.cut", err.code)
      assert.is_true(err.retryable)
      assert.same({ status = 200, request_id = "req-cut" }, err.http)
    end)

    it("the last chunk is missing", function()
      assert.equal("http.cut", failure({ path = "/cut-chunked" }).code)
    end)

    it("the connection ends, or is reset, before an answer", function()
      assert.equal("http.cut", failure({ path = "/nothing" }).code)
      assert.equal("http.cut", failure({ path = "/reset" }).code)
      assert.equal("http.cut", failure({ path = "/nothing?after=100", method = "POST", body = ("x"):rep(100) }).code)
      local err = failure { path = "/reset?after=100000", method = "PUT", body = ("x"):rep(30000000) }
      assert.equal("http.cut", err.code)
      assert.is_nil(err.http)
    end)

    it("leaves nothing where a file was asked for", function()
      local dir = servers.temporary_directory()
      local err = failure { path = "/cut?after=50000", sink = { file = dir .. "/image" } }
      assert.equal("http.cut", err.code)
      assert.is_true(os.remove(dir)) -- which it could not be if it were not empty
    end)
  end)

  describe("a kept connection that is dead", function()
    local other
    before_each(function()
      other = servers.start()
      assert.equal("first", assert(http.request { url = other.url .. "/reused-dead" }).body)
    end)
    after_each(function() other:stop() end)

    local function methods()
      local seen = {}
      for i, request in ipairs(other:log()) do seen[i] = request.method end
      return table.concat(seen, " ")
    end

    it("is http.cut: a body is not sent again", function()
      for _, method in ipairs { "POST", "PUT", "PATCH", "DELETE" } do
        assert.equal("first", assert(http.request { url = other.url .. "/reused-dead" }).body)
        other:log()
        local err = failure { url = other.url .. "/reused-dead", method = method, body = "pay once" }
        assert.equal("http.cut", err.code)
        assert.is_true(err.retryable)
        assert.equal(method, methods())
      end
    end)

    it("is not used for what changes something without a body", function()
      for _, method in ipairs { "POST", "DELETE" } do
        assert.equal("first", assert(http.request { url = other.url .. "/reused-dead" }).body)
        other:log()
        assert.equal("first", assert(http.request { url = other.url .. "/reused-dead", method = method }).body)
        assert.equal(method, methods())
      end
    end)

    it("is made up for when nothing can have changed", function()
      assert.equal("first", assert(http.request { url = other.url .. "/reused-dead" }).body)
    end)
  end)

  describe("http.timeout:", function()
    local function timed(options)
      local start = task.now()
      local err = failure(options)
      assert.equal("http.timeout", err.code)
      assert.is_true(err.retryable)
      return err, task.now() - start
    end

    it("no answer in time", function()
      local err, seconds = timed { path = "/hold", timeout = 0.3 }
      assert.truthy(err.message:find("no complete answer of", 1, true))
      assert.truthy(err.message:find("0.3 seconds are over", 1, true))
      assert.is_true(seconds > 0.25 and seconds < 30)
    end)

    it("an answer that comes too slowly", function()
      local _, seconds = timed { path = "/drip?count=10000", timeout = 0.5 }
      assert.is_true(seconds < 30)
    end)

    it("no connection in time", function()
      -- A listener that never accepts: its queue is full, so that SYNs are dropped.
      local pipe = assert(io.popen([[exec /usr/bin/python3 -u -c '
import os, socket, time
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(0)
held = []
for _ in range(3):
    c = socket.socket(); c.setblocking(False); c.connect_ex(s.getsockname()); held.append(c)
print(s.getsockname()[1], os.getpid())
time.sleep(600)']]))
      local port, pid = pipe:read("n", "n")
      finally(function()
        os.execute("kill " .. pid)
        pipe:close()
      end)
      local err, seconds = timed { url = ("http://127.0.0.1:%d/"):format(port), connect_timeout = 0.4 }
      assert.truthy(err.message:find("no connection to", 1, true))
      assert.is_true(seconds < 60) -- the kernel goes on for two minutes
    end)

    it("nothing moves for stall_timeout", function()
      local err, seconds
      repeat -- a server that is held up before it answers is one that stalls, too
        err, seconds = timed { path = "/stall", stall_timeout = 0.4 }
      until err.http
      assert.truthy(err.message:find("nothing moved in either direction for 0.4 seconds", 1, true))
      assert.equal(200, err.http.status)
      assert.is_true(seconds > 0.35 and seconds < 30)
    end)

    it("a server stops reading", function()
      timed { path = "/stall?read=1000", method = "PUT", body = ("x"):rep(30000000), stall_timeout = 0.4 }
    end)

    it("but slow is not stalled", function()
      local response = assert(http.request { url = server.url .. "/drip?count=30&delay=0.3", stall_timeout = 5 })
      assert.equal(30, #response.body)
    end)
  end)

  describe("http.protocol:", function()
    it("the server speaks something else", function()
      local err = failure { path = "/not-http" }
      assert.equal("http.protocol", err.code)
      assert.is_false(err.retryable)
    end)
  end)

  describe("http.too_large:", function()
    it("one header without an end", function()
      assert.equal("http.too_large", failure({ path = "/huge-header" }).code)
    end)

    it("too many headers", function()
      assert.equal("http.too_large", failure({ path = "/many-headers" }).code)
    end)

    it("a body without an end", function()
      assert.equal("http.too_large", failure({ path = "/endless", max_body = 1000000 }).code)
    end)
  end)

  describe("http.url:", function()
    it("not http", function()
      for _, url in ipairs { "ftp://127.0.0.1/", "file:///etc/passwd", "gopher://127.0.0.1/" } do
        assert.equal("http.url", failure({ url = url }).code)
      end
    end)

    it("no URL", function()
      assert.equal("http.url", failure({ url = "http://127.0.0.1:99999/" }).code)
      assert.equal("http.url", failure({ url = "http://" }).code)
    end)
  end)

  it("shows neither password nor query in errors", function()
    local err = failure { url = ("http://user:hunter2@127.0.0.1:%d/x?signature=abc#f"):format(CLOSED) }
    assert.is_nil(tostring(err):find("hunter2", 1, true))
    assert.is_nil(tostring(err):find("signature", 1, true))
    assert.is_nil(err.where.url:find("user", 1, true))
  end)

  describe("cancelled", function()
    local function cancel_after(seconds, options)
      options.url = server.url .. options.path
      options.path = nil
      local start = task.now()
      local result, err = task.timeout(seconds, function() return http.request(options) end)
      assert.is_nil(result)
      assert.equal("timeout", err.code)
      assert.is_true(task.now() - start < 30)
    end

    it("before the answer", function() cancel_after(0.2, { path = "/hold" }) end)
    it("in mid-answer", function() cancel_after(0.2, { path = "/drip?count=10000" }) end)
    it("in mid-upload", function()
      cancel_after(0.2, { path = "/slow-reader?delay=0.5", method = "PUT", body = ("x"):rep(30000000) })
    end)

    it("while a file is written: nothing is left", function()
      local dir = servers.temporary_directory()
      cancel_after(0.2, { path = "/drip?count=10000", sink = { file = dir .. "/image" } })
      assert.is_true(os.remove(dir))
    end)

    it("at once, and the next request works", function()
      local t = task.spawn(function() return http.request { url = server.url .. "/hold" } end)
      t:cancel()
      assert.is_false(pcall(t.join, t))
      assert.equal(200, assert(http.request { url = server.url .. "/echo" }).status)
    end)

    it("a hundred at a time", function()
      local _, err = task.timeout(0.3, function()
        local functions = {}
        for i = 1, 100 do functions[i] = function() return http.request { url = server.url .. "/hold" } end end
        task.gather(functions)
      end)
      assert.equal("timeout", err.code)
    end)
  end)
end)
