local core = require "siphon.core"
local json = require "siphon.json"
local servers = require "support.servers"

local http, task = core.http, require "siphon.task"

describe("siphon.http.request with files", function()
  local server, dir

  setup(function() server = servers.start() end)
  teardown(function() server:stop() end)
  before_each(function() dir = servers.temporary_directory() end)
  after_each(function() os.execute("rm -r " .. dir) end)

  local function sha256(path)
    local pipe = io.popen("sha256sum " .. path)
    local sum = pipe:read "a":match "^%x+"
    pipe:close()
    return sum
  end

  local function random_file(size)
    local path = dir .. "/data"
    os.execute(("head -c %d /dev/urandom >%s"):format(size, path))
    return path
  end

  local function entries()
    local pipe = io.popen("ls -A " .. dir)
    local names = pipe:read "a"
    pipe:close()
    return names
  end

  describe("as a body", function()
    it("sends all of it, of any size", function()
      for _, size in ipairs { 0, 1, 65536, 1048576, 1048577, 9000001 } do
        local path = random_file(size)
        local response = assert(http.request { url = server.url .. "/echo", method = "PUT", body = { file = path },
          digest = "sha256" })
        local seen = json.decode(response.body)
        assert.same({ "sha256", seen.sha256 }, { response.digest.algorithm, response.digest.value })
        assert.equal(size, seen.body_bytes)
        assert.equal(sha256(path), seen.sha256)
        assert.equal(size, response.bytes_sent)
      end
    end)

    it("reports progress up to the end", function()
      local path, last = random_file(5000000), nil
      assert(http.request { url = server.url .. "/slow-reader", method = "PUT", body = { file = path },
        progress = function(done, total) last = { done, total } end })
      assert.same({ 5000000, 5000000 }, last)
    end)

    it("works with a server that ignores Expect", function()
      local path = random_file(2000000)
      local response = assert(http.request { url = server.url .. "/no-continue", method = "PUT",
        body = { file = path } })
      assert.equal(2000000, json.decode(response.body).body_bytes)
    end)

    it("is not read when the server refuses at once", function()
      local path = random_file(5000000)
      for _, status in ipairs { 401, 404, 409 } do
        local response = assert(http.request { url = server.url .. "/early/" .. status, method = "PUT",
          body = { file = path } })
        assert.equal(status, response.status)
        assert.equal(0, response.bytes_sent)
      end
    end)

    it("fails with the file's error", function()
      for path, code in pairs { [dir .. "/none"] = "ENOENT", [dir] = "EINVAL", ["/dev/zero"] = "EINVAL" } do
        local response, err = http.request { url = server.url .. "/echo", method = "PUT", body = { file = path } }
        assert.is_nil(response)
        assert.equal(code, err.code)
        assert.equal("file.read", err.op)
        assert.truthy(err.message:find(path, 1, true))
      end
    end)

    it("fails when the file shrinks meanwhile", function()
      local path = random_file(30000000)
      local response, err = http.request {
        url = server.url .. "/slow-reader?delay=0.01", method = "PUT", body = { file = path },
        progress = function(done) if done > 0 then os.execute("truncate -s 1000 " .. path) end end,
      }
      assert.is_nil(response)
      assert.equal("ENODATA", err.code)
    end)
  end)

  describe("as a sink", function()
    it("takes all of the answer, of any size", function()
      for _, size in ipairs { 0, 1, 65536, 1048576, 1048577, 9000001 } do
        local path = dir .. "/out"
        local url = server.url .. "/big?bytes=" .. size
        local response = assert(http.request { url = url, sink = { file = path } })
        assert.is_nil(response.body)
        assert.equal(size, response.bytes_received)
        assert.equal(assert(http.request { url = url }).body, servers.read_file(path))
        assert.equal("out\n", entries())
      end
    end)

    it("keeps the former file until the new one is complete", function()
      local path = dir .. "/out"
      servers.write_file(path, "former")
      local _, err = http.request { url = server.url .. "/cut?after=100000", sink = { file = path } }
      assert.equal("http.cut", err.code)
      assert.equal("former", servers.read_file(path))
      assert(http.request { url = server.url .. "/big?bytes=10", sink = { file = path } })
      assert.equal(10, #servers.read_file(path))
      assert.equal("out\n", entries())
    end)

    it("does not take an answer that is no success", function()
      local path = dir .. "/out"
      local response = assert(http.request { url = server.url .. "/status/404", sink = { file = path } })
      assert.equal(404, response.status)
      assert.truthy(response.body:find("refused", 1, true))
      assert.equal("", entries())
    end)

    it("follows a redirect with nothing but the last answer", function()
      local path = dir .. "/out"
      assert(http.request { url = server.url .. "/redirect?to=/big", sink = { file = path } })
      assert.equal(1000, #servers.read_file(path))
    end)

    it("fails with the file's error, before anything is asked for", function()
      server:log()
      for path, code in pairs { [dir .. "/none/x"] = "ENOENT", [dir] = "EINVAL", ["/dev/null"] = "EINVAL" } do
        local response, err = http.request { url = server.url .. "/big", sink = { file = path } }
        assert.is_nil(response)
        assert.equal(code, err.code)
        assert.equal("file.write", err.op)
      end
      assert.equal(0, #server:log())
    end)

    it("fails when the disk is full, and leaves nothing", function()
      local full = dir .. "/full"
      os.execute("mkdir " .. full)
      if not os.execute(("mount -t tmpfs -o size=2m none %s 2>/dev/null"):format(full)) then
        pending "needs the right to mount"
        return
      end
      finally(function() os.execute("umount " .. full) end)
      local _, err = http.request { url = server.url .. "/big?bytes=9000000", sink = { file = full .. "/out" } }
      assert.equal("ENOSPC", err.code)
      assert.is_nil(servers.read_file(full .. "/out"))
      local pipe = io.popen("ls -A " .. full)
      assert.equal("", pipe:read "a")
      pipe:close()
    end)
  end)

  it("from one file to another, many at once", function()
    local path = random_file(3000000)
    local sum, functions = sha256(path), {}
    for i = 1, 20 do
      functions[i] = function()
        local response = assert(http.request { url = server.url .. "/echo", method = "PUT", body = { file = path } })
        return json.decode(response.body).sha256
      end
    end
    for _, seen in ipairs(task.gather(functions)) do assert.equal(sum, seen) end
  end)
end)
