local core = require "siphon.core"
local json = require "siphon.json"
local servers = require "support.servers"

local http, rbd, task = core.http, core.rbd, require "siphon.task"

local MIB = 1 << 20

describe("siphon.http.request with RBD images", function()
  local server, cluster, pool, opened, names
  local counter = 0

  setup(function()
    server = servers.start()
    cluster = assert(core.rados.connect {})
    pool = assert(cluster:pool "volumes")
  end)
  teardown(function()
    pool:close()
    cluster:close()
    server:stop()
  end)
  before_each(function() opened, names = {}, {} end)
  after_each(function()
    for _, image in ipairs(opened) do image:close() end
    for _, name in ipairs(names) do
      local image <close> = assert(rbd.open(pool, name, { read_only = false }))
      for _, snapshot in ipairs(assert(image:snapshots())) do assert(image:snapshot_remove(snapshot.name)) end
      image:close()
      assert(rbd.remove(pool, name))
    end
  end)

  local function open(name, options)
    local image = assert(rbd.open(pool, name, options))
    opened[#opened + 1] = image
    return image
  end

  -- A new image, open for writing.
  local function create(size, options)
    counter = counter + 1
    local name = ("http-spec-%d-%d"):format(core.system.pid(), counter)
    options = options or {}
    options.size = size
    assert(rbd.create(pool, name, options))
    names[#names + 1] = name
    return open(name, { read_only = false }), name
  end

  local function random(n)
    local file = io.open("/dev/urandom", "rb")
    local bytes = file:read(n)
    file:close()
    return bytes
  end

  local function sha256(bytes)
    local dir = servers.temporary_directory()
    servers.write_file(dir .. "/bytes", bytes)
    local pipe = io.popen("sha256sum " .. dir .. "/bytes")
    local sum = pipe:read "a":match "^%x+"
    pipe:close()
    os.execute("rm -r " .. dir)
    return sum
  end

  local function put(image, body, options)
    options = options or {}
    body = body or {}
    body.image = image
    options.url = server.url .. (options.path or "/echo")
    options.path = nil
    options.method, options.body = "PUT", body
    return http.request(options)
  end

  local function get(path, image, options)
    options = options or {}
    options.image = image
    return http.request { url = server.url .. path, sink = options }
  end

  describe("as a body", function()
    it("sends what the snapshot has, while the head changes", function()
      local head, name = create(20 * MIB)
      local data = random(9 * MIB + 12345)
      assert(head:write(3 * MIB, data))
      assert(head:snapshot_create "s")
      local at = open(name, { snapshot = "s" })
      local writing = task.spawn(function()
        for i = 0, 4 do assert(head:write(i * 4 * MIB, random(MIB))) end
      end)
      local last
      local response = assert(put(at, nil, { digest = "sha256", progress = function(done, total) last = { done, total } end }))
      writing:join()
      local seen = json.decode(response.body)
      assert.equal(20 * MIB, seen.body_bytes)
      assert.equal(tostring(20 * MIB), seen.headers["content-length"])
      local expected = ("\0"):rep(3 * MIB) .. data
      assert.equal(sha256(expected .. ("\0"):rep(20 * MIB - #expected)), seen.sha256)
      assert.equal(seen.sha256, response.digest.value)
      assert.equal(20 * MIB, response.bytes_sent)
      assert.same({ 20 * MIB, 20 * MIB }, last)
    end)

    it("sends any range, to the byte", function()
      local image = create(10 * MIB, { order = 20 })
      local data = random(10 * MIB)
      assert(image:write(0, data))
      for _, range in ipairs {
        { 0, 1 }, { 1, 10 * MIB - 1 }, { 4 * MIB - 1, 2 }, { 4 * MIB, 4 * MIB }, { 3 * MIB + 7, 5 * MIB + 3 },
        { 10 * MIB - 1, 1 }, { 10 * MIB, 0 }, { 5, 0 },
      } do
        for _, in_flight in ipairs { 1, 2, 64 } do
          local response = assert(put(image, { offset = range[1], length = range[2], max_in_flight = in_flight }))
          local seen = json.decode(response.body)
          assert.equal(range[2], seen.body_bytes)
          assert.equal(sha256(data:sub(range[1] + 1, range[1] + range[2])), seen.sha256)
        end
      end
      assert.equal(6 * MIB, assert(put(image, { offset = 4 * MIB })).bytes_sent)
    end)

    it("refuses a range beyond the end, before anything is sent", function()
      local image = create(MIB)
      server:log()
      for _, range in ipairs { { MIB + 1, nil }, { 0, MIB + 1 }, { MIB, 1 } } do
        local response, err = put(image, { offset = range[1], length = range[2] })
        assert.is_nil(response)
        assert.equal("EINVAL", err.code)
        assert.equal("volumes", err.where.pool)
        assert.truthy(err.message:find(tostring(MIB), 1, true))
      end
      assert.equal(0, #server:log())
    end)

    it("is not read when the server refuses at once", function()
      local image = create(100 * MIB)
      local response = assert(put(image, nil, { path = "/early/409" }))
      assert.equal(409, response.status)
      assert.equal(0, response.bytes_sent)
    end)

    it("waits for a slow server, with bounded memory", function()
      local image = create(120 * MIB)
      local function resident()
        return tonumber(servers.read_file("/proc/self/status"):match "VmRSS:%s+(%d+) kB") * 1024
      end
      collectgarbage()
      local before, most = resident(), 0
      local response = assert(put(image, { max_in_flight = 2 }, {
        path = "/slow-reader?delay=0.001", progress = function() most = math.max(most, resident()) end,
      }))
      assert.equal(120 * MIB, response.bytes_sent)
      -- Two pieces of 4 MiB, curl's buffer, and what librados holds of as many answers.
      assert.is_true(most - before < 60 * MIB, ("%d MiB more"):format((most - before) // MIB))
    end)

    it("can be cancelled at any moment, and the image closed", function()
      local image, name = create(100 * MIB)
      assert(image:write(0, random(8 * MIB)))
      image:close()
      for _, seconds in ipairs { 0, 0.001, 0.01, 0.05, 0.2 } do
        local reader = open(name)
        local result, err = task.timeout(math.max(seconds, 1e-4), function()
          return put(reader, nil, { path = "/slow-reader?delay=0.02" })
        end)
        assert.is_nil(result)
        assert.equal("timeout", err.code)
        reader:close()
      end
    end)

    it("stays open until it was sent, though it is closed meanwhile", function()
      local image, name = create(40 * MIB)
      image:close()
      local reader = open(name)
      local sending = task.spawn(function() return put(reader, nil, { path = "/slow-reader?delay=0.001" }) end)
      task.sleep(0.05)
      reader:close()
      assert.equal(40 * MIB, assert(sending:join()).bytes_sent)
    end)

    it("ends with the server's cut", function()
      local image = create(100 * MIB)
      local response, err = put(image, nil, { path = "/reset?after=5000000" })
      assert.is_nil(response)
      assert.equal("http.cut", err.code)
    end)

    it("is sent many times at once", function()
      local image = create(16 * MIB)
      local data = random(16 * MIB)
      assert(image:write(0, data))
      local functions, sum = {}, sha256(data)
      for i = 1, 8 do functions[i] = function() return json.decode(assert(put(image)).body).sha256 end end
      for _, seen in ipairs(task.gather(functions)) do assert.equal(sum, seen) end
    end)

    it("must be open", function()
      local image = create(MIB)
      image:close()
      local ok, err = pcall(put, image)
      assert.is_false(ok)
      assert.equal("closed", err.code)
    end)

    it("leaves the image to be closed when the request was misuse", function()
      local image = create(MIB)
      assert.is_false(pcall(put, image, nil, { sink = { image = 1 } }))
      assert.is_false(pcall(put, image, { max_in_flight = 65 }))
      assert.is_false(pcall(put, image, { max_in_flight = 0 }))
      assert.is_false(pcall(put, image, { offset = -1 }))
      image:close() -- would wait for ever if it were in use
    end)
  end)

  describe("as a sink", function()
    local function expect_pattern(image, offset, size)
      local pattern = assert(http.request { url = server.url .. "/big?bytes=" .. size }).body
      assert.is_true(assert(image:read(offset, size)) == pattern)
    end

    it("takes all of the answer, at any offset", function()
      local image = create(16 * MIB)
      for _, place in ipairs { { 0, 1 }, { 0, 4 * MIB }, { 3 * MIB + 5, 9 * MIB + 1 }, { 0, 16 * MIB } } do
        for _, in_flight in ipairs { 1, 8 } do
          assert(image:discard(0, 16 * MIB))
          local response = assert(get("/big?bytes=" .. place[2], image,
            { offset = place[1], max_in_flight = in_flight }))
          assert.is_nil(response.body)
          assert.equal(place[2], response.bytes_received)
          expect_pattern(image, place[1], place[2])
        end
      end
    end)

    it("is flushed: another handle sees it", function()
      local image, name = create(8 * MIB)
      assert(get("/big?bytes=8388608", image))
      expect_pattern(open(name), 0, 8 * MIB)
    end)

    it("overwrites what was there, with zeros too", function()
      local image = create(12 * MIB)
      assert(image:write(0, random(12 * MIB)))
      assert(get("/zeros?bytes=" .. 12 * MIB, image))
      assert.is_true(assert(image:read(0, 12 * MIB)) == ("\0"):rep(12 * MIB))
    end)

    it("stays thin where there are only zeros", function()
      local image = create(200 * MIB)
      assert(get("/zeros?bytes=" .. 200 * MIB, image))
      local existing = 0
      for _, extent in ipairs(assert(image:extents {})) do
        if extent.exists then existing = existing + extent.length end
      end
      assert.equal(0, existing)
    end)

    it("refuses an answer that is too large", function()
      local image = create(4 * MIB)
      local response, err = get("/big?bytes=" .. 4 * MIB + 1, image)
      assert.is_nil(response)
      assert.equal("http.too_large", err.code)
      assert.equal("volumes", err.where.pool)
      assert.truthy(err.message:find(tostring(4 * MIB), 1, true))
      for offset, code in pairs { [4 * MIB - 1] = "http.too_large", [4 * MIB + 1] = "EINVAL" } do
        local none, problem = get("/big?bytes=2", image, { offset = offset })
        assert.is_nil(none)
        assert.equal(code, problem.code)
      end
    end)

    it("does not take an answer that is no success", function()
      local image = create(4 * MIB)
      local response = assert(get("/status/404", image))
      assert.equal(404, response.status)
      assert.truthy(response.body:find("refused", 1, true))
      assert.is_true(assert(image:read(0, 1024)) == ("\0"):rep(1024))
    end)

    it("can be cancelled, and ends with the server's cut", function()
      local image = create(100 * MIB)
      local result, err = task.timeout(0.1, function() return get("/drip?count=1000", image) end)
      assert.is_nil(result)
      assert.equal("timeout", err.code)
      result, err = get("/cut?after=900000", image)
      assert.is_nil(result)
      assert.equal("http.cut", err.code)
      image:close()
    end)

    it("must be open for writing", function()
      local _, name = create(MIB)
      local ok, err = pcall(get, "/big", open(name))
      assert.is_false(ok)
      assert.equal("misuse", err.code)
      assert.truthy(err.message:find("read_only = false", 1, true))
    end)
  end)
end)
