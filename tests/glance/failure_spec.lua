--- What the real Glance does not do on demand: each refusal, tokens that expire, answers that are none. The bodies are
-- glance-api 25.1's; the server is tests/support/fault_server.py.

local core = require "siphon.core"
local glance = require "siphon.glance"
local json = require "siphon.json"
local servers = require "support.servers"

local task = require "siphon.task"

local ID = "5e1f0000-0000-4000-8000-000000000001"
local SHOW = "GET /v2/images/" .. ID

describe("siphon.glance, when it goes wrong:", function()
  local server

  setup(function() server = servers.start() end)
  teardown(function() server:stop() end)

  local function connect(options)
    options = options or {}
    options.endpoint = options.endpoint or server.url
    return assert(glance.connect(options))
  end

  -- An error as webob writes it: for clients that ask for JSON, and for others.
  local function refusal(status, words)
    return { status = status, headers = { ["X-Openstack-Request-Id"] = "req-" .. status },
      body = { message = words .. "<br /><br />\n\n\n", code = status .. " Title", title = "Title" } }
  end

  local function html(status, words)
    return { status = status, headers = { ["Content-Type"] = "text/html; charset=UTF-8" },
      body = ("<html>\n <head>\n  <title>%d Title</title>\n </head>\n <body>\n  <h1>%d Title</h1>\n  %s<br /><br />"
        .. "\n\n\n\n </body>\n</html>"):format(status, status, words) }
  end

  local function failure(...)
    local result, err = ...
    assert.is_nil(result)
    assert.is_nil(tostring(err):find("[\n<>]"), tostring(err))
    return err
  end

  describe("every status has a code and advice", function()
    local CASES = {
      { 400, "glance.bad_request", "create", "Provided object does not match schema", "not what this Glance takes" },
      { 401, "glance.unauthorized", "show", "This server could not verify that you are authorized", "a new one" },
      { 403, "glance.forbidden", "add_location", "It's not allowed to add locations if locations are invisible.",
        "set show_multiple_locations = True in glance-api.conf" },
      { 403, "glance.forbidden", "add_location", "You are not authorized to complete set_image_location action.",
        "policy set_image_location" },
      { 403, "glance.forbidden", "delete", "Image x is protected and cannot be deleted.", "the image is protected" },
      { 404, "glance.not_found", "show", "No image found with ID x", "does not see it" },
      { 409, "glance.conflict", "create", "Image ID x already exists!", "choose another id" },
      { 409, "glance.conflict", "upload", "Image status transition from active to saving is not allowed",
        "only while the image is queued" },
      { 409, "glance.conflict", "delete", "Image x could not be deleted because it is in use", "flatten" },
      { 409, "glance.conflict", "add_location", "Image locations cannot be changed", "queued or active" },
      { 410, "glance.gone", "upload", "Image x was deleted before the upload", "deleted meanwhile" },
      { 413, "glance.too_large", "create", "Denying attempt to upload image because it exceeds the quota",
        "this project's quota" },
      { 413, "glance.too_large", "upload", "Image storage media is full", "the store is full" },
      { 413, "glance.too_large", "add_location", "The limit on image locations", "image_location_quota" },
      { 415, "glance.unsupported", "upload", "Unsupported Content-Type", "require_image_format_match" },
      { 429, "glance.server", "create", "Too many requests", "limits the number of requests", true },
      { 500, "glance.server", "add_location", "The server has either erred", "lack the right to write", true },
      { 500, "glance.server", "create", "The server has either erred", "glance-api's log may say more under req-500",
        true },
      { 503, "glance.server", "upload", "Store is not writable", "the store refuses to be written to", true },
      { 400, "glance.bad_request", "add_location", "Invalid location", "one of Glance's stores" },
      { 400, "glance.bad_request", "upload", "Store for image not found", "`GET /v2/info/stores`" },
      { 400, "glance.bad_request", "import_location", "Provided object does not match schema", "in full length" },
      { 403, "glance.forbidden", "import_location", "You are not authorized", "--os-service-cloud" },
      { 404, "glance.not_found", "import_location", "The resource could not be found.", "before 2024.2" },
      { 409, "glance.conflict", "import_location", "Image has active task", "no other import" },
      { 409, "glance.conflict", "add_location", "os_hash_algo must be sha512, not sha256", "--hash" },
      { 413, "glance.too_large", "import_location", "quota", "user_storage_quota" },
      { 415, "glance.unsupported", "show", "Unsupported media type", "no data of this kind" },
      { 502, "glance.server", "create", "Bad gateway", "got no answer from it", true },
      { 503, "glance.server", "create", "Service unavailable", "out of order", true },
      { 504, "glance.server", "create", "Gateway timeout", "got no answer in time", true },
      { 418, "glance.unexpected", "create", "teapot", "teapot" },
    }
    local PATHS = {
      create = "POST /v2/images", show = SHOW, delete = "DELETE /v2/images/" .. ID,
      upload = "PUT /v2/images/" .. ID .. "/file", add_location = "PATCH /v2/images/" .. ID,
      import_location = "POST /v2/images/" .. ID .. "/locations",
    }
    local CALLS = {
      create = function(client) return client:create { id = ID, name = "x" } end,
      show = function(client) return client:show(ID) end,
      delete = function(client) return client:delete(ID) end,
      upload = function(client) return client:upload(ID, "data") end,
      add_location = function(client) return client:add_location(ID, { url = "rbd://a/b/c/d" }) end,
      import_location = function(client) return client:import_location(ID, { url = "rbd://a/b/c/d" }) end,
    }
    for _, case in ipairs(CASES) do
      local status, code, method, words, advice, retryable = table.unpack(case)
      it(("%d of %s (%s)"):format(status, method, words:sub(1, 30)), function()
        server:script { [PATHS[method]] = { refusal(status, words) } }
        local err = failure(CALLS[method](connect()))
        assert.equal(code, err.code)
        assert.equal("glance." .. method, err.op)
        assert.same({ status = status, request_id = "req-" .. status }, err.http)
        assert.equal(ID, err.where.image_id)
        assert.truthy(err.where.url:find("/v2/images", 1, true))
        assert.truthy(err.message:find(words, 1, true), err.message)
        assert.truthy(err.message:find(advice, 1, true), err.message)
        assert.equal(retryable or false, err.retryable)
      end)
    end

    it("whatever the words come in", function()
      for _, answer in ipairs {
        html(409, "It&#x27;s &quot;in use&quot; &lt;here&gt;"),
        { status = 409, body = { error = { message = "It's \"in use\" here", code = 409 } } },
        { status = 409, body = "It's\n\"in use\"\there" },
      } do
        server:script { ["DELETE /v2/images/" .. ID] = { answer } }
        local _, err = connect():delete(ID)
        assert.equal("glance.conflict", err.code)
        assert.truthy(err.message:find("It's \"in use\"", 1, true), err.message)
      end
    end)

    it("and nothing at all", function()
      for _, answer in ipairs {
        { status = 403 }, { status = 403, headers = { ["Content-Type"] = "application/json" }, body = "{" },
        { status = 403, body = json.array {} }, { status = 403, body = ("x"):rep(100000) },
      } do
        server:script { ["DELETE /v2/images/" .. ID] = { answer } }
        local err = failure(connect():delete(ID))
        assert.equal("glance.forbidden", err.code)
        assert.is_true(#err.message < 500)
      end
    end)
  end)

  describe("tokens", function()
    -- An identity whose tokens are "1", "2", ...: as many as it is given.
    local function renewable(last)
      local auth = { n = 1, invalidated = 0 }
      function auth:token() return core.secret(tostring(self.n)) end
      function auth:invalidate()
        self.invalidated = self.invalidated + 1
        if self.n >= last then return false end
        self.n = self.n + 1
        return true
      end
      return auth
    end

    local function tokens()
      local seen = {}
      for i, request in ipairs(server:log()) do seen[i] = request.headers["x-auth-token"] end
      return seen
    end

    local ACTIVE = { status = 200, body = { id = ID, status = "active" } }

    it("are sent with every call", function()
      server:script { [SHOW] = { ACTIVE } }
      local client = connect { token = "t0ken", service_token = core.secret "s3rvice" }
      assert(client:show(ID))
      local headers = server:log()[1].headers
      assert.same({ "t0ken", "s3rvice" }, { headers["x-auth-token"], headers["x-service-token"] })
      assert(connect():show(ID))
      assert.is_nil(server:log()[1].headers["x-auth-token"])
    end)

    it("are renewed once after 401", function()
      server:script { [SHOW] = { refusal(401, "expired"), ACTIVE } }
      local auth = renewable(2)
      assert.equal("active", assert(connect({ auth = auth }):show(ID)).status)
      assert.same({ "1", "2" }, tokens())
      server:script { [SHOW] = { refusal(401, "expired") } }
      local err = failure(connect({ auth = renewable(9) }):show(ID))
      assert.equal("glance.unauthorized", err.code)
      assert.same({ "1", "2" }, tokens())
    end)

    it("that cannot be renewed are not tried again", function()
      server:script { [SHOW] = { refusal(401, "expired") } }
      assert.equal("glance.unauthorized", failure(connect({ token = "t" }):show(ID)).code)
      assert.same({ "t" }, tokens())
    end)

    it("renew a service token too", function()
      server:script { [SHOW] = { refusal(401, "expired"), ACTIVE } }
      assert(connect({ token = "t", service_auth = renewable(2) }):show(ID))
      local log = server:log()
      assert.same({ "1", "2" }, { log[1].headers["x-service-token"], log[2].headers["x-service-token"] })
    end)

    it("give their own error when there is none", function()
      local auth = { token = function() return nil, core.error { code = "keystone.down", message = "no" } end }
      assert.equal("keystone.down", failure(connect({ auth = auth }):show(ID)).code)
    end)

    it("are renewed in an upload of which nothing was sent", function()
      local dir = servers.temporary_directory()
      finally(function() os.execute("rm -r " .. dir) end)
      servers.write_file(dir .. "/data", ("x"):rep(3000000))
      local unread = refusal(401, "expired")
      unread.read, unread.headers.Connection = false, "close"
      server:script { ["PUT /v2/images/" .. ID .. "/file"] = { unread, { status = 204 } } }
      assert.is_true(connect({ auth = renewable(2) }):upload(ID, { file = dir .. "/data" }))
      local log = server:log()
      assert.same({ "1", 0, "2", 3000000 }, { log[1].headers["x-auth-token"], log[1].body_bytes,
        log[2].headers["x-auth-token"], log[2].body_bytes })
    end)

    it("but not when some of it was", function()
      local dir = servers.temporary_directory()
      finally(function() os.execute("rm -r " .. dir) end)
      servers.write_file(dir .. "/data", ("x"):rep(3000000))
      server:script { ["PUT /v2/images/" .. ID .. "/file"] = { refusal(401, "expired"), { status = 204 } } }
      local err = failure(connect({ auth = renewable(2) }):upload(ID, { file = dir .. "/data" }))
      assert.equal("glance.unauthorized", err.code)
      assert.equal(1, #server:log())
    end)

    it("never show", function()
      server:script { [SHOW] = { refusal(403, "no") } }
      local client = connect { token = "hunter2", service_token = "hunter2" }
      local errs = { failure(client:show(ID)), failure(connect({ token = "hunter2", endpoint = "http://127.0.0.1:1" })
        :show(ID)) }
      for _, err in ipairs(errs) do
        assert.is_nil(json.encode(err):find("hunter2", 1, true))
        assert.is_nil(tostring(err):find("hunter2", 1, true))
      end
      assert.is_false(pcall(json.encode, client))
    end)

    it("cannot smuggle headers", function()
      local client = connect { token = "t\r\nX-Evil: 1" }
      local ok, err = pcall(client.show, client, ID)
      assert.is_false(ok)
      assert.is_nil(tostring(err):find("Evil", 1, true))
    end)
  end)

  describe("calls that only read are made again", function()
    it("after 502, 503 and 504", function()
      for _, status in ipairs { 502, 503, 504 } do
        server:script { [SHOW] = { refusal(status, "busy"), refusal(status, "busy"),
          { status = 200, body = { id = ID, status = "queued" } } } }
        assert.equal("queued", assert(connect():show(ID)).status)
        assert.equal(3, #server:log())
      end
    end)

    it("after a cut", function()
      server:script { [SHOW] = { { cut = true }, { status = 200, body = { id = ID, status = "queued" } } } }
      assert.equal("queued", assert(connect():show(ID)).status)
    end)

    it("but not for ever", function()
      server:script { [SHOW] = { refusal(503, "busy") } }
      local start = task.now()
      local err = failure(connect():show(ID))
      assert.equal("glance.server", err.code)
      assert.is_true(err.retryable)
      assert.equal(4, #server:log())
      assert.is_true(task.now() - start < 8)
    end)

    it("not before Retry-After", function()
      local busy = refusal(503, "busy")
      busy.headers["Retry-After"] = "1"
      server:script { [SHOW] = { busy, { status = 200, body = { id = ID, status = "queued" } } } }
      local start = task.now()
      assert(connect():show(ID))
      assert.is_true(task.now() - start >= 1)
    end)

    it("others are not", function()
      server:script { ["POST /v2/images"] = { refusal(503, "busy") }, ["DELETE /v2/images/" .. ID] = { { cut = true } } }
      assert.equal("glance.server", failure(connect():create { name = "x" }).code)
      assert.equal(1, #server:log())
      local err = failure(connect():delete(ID))
      assert.equal("http.cut", err.code)
      assert.equal("glance.delete", err.op)
      assert.equal(ID, err.where.image_id)
      assert.equal(1, #server:log())
    end)
  end)

  describe("answers that are none:", function()
    it("a page instead of JSON", function()
      local err = failure(connect { endpoint = server.url .. "/login" }:show(ID))
      assert.equal("glance.not_json", err.code)
      assert.truthy(err.message:find("it begins with 'Welcome Please log in", 1, true), err.message)
      assert.truthy(err.message:find("is the endpoint right", 1, true))
      assert.same({ status = 200 }, err.http)
    end)

    it("broken JSON, or another kind of value", function()
      for _, body in ipairs { '{"id": "x", "status":', "", "null", "7", '"x"' } do
        server:script { [SHOW] = { { status = 200, body = body, headers = { ["Content-Type"] = "application/json" } } } }
        assert.equal("glance.not_json", failure(connect():show(ID)).code)
      end
    end)

    it("JSON of another service", function()
      server:script { ["GET /versions"] = { { status = 200, body = { hello = 1 } } },
        ["GET /v2/images"] = { { status = 200, body = { hello = 1 } } } }
      assert.equal("glance.not_json", failure(connect():versions()).code)
      assert.equal("glance.not_json", failure(connect():list()).code)
    end)

    it("a connection that is cut in mid-answer", function()
      local dir = servers.temporary_directory()
      local err = failure(connect { endpoint = server.url .. "/cut" }:download(ID, { file = dir .. "/x" }))
      assert.equal("http.cut", err.code)
      assert.same({ status = 200, request_id = "req-cut" }, err.http)
      assert.equal("glance.download", err.op)
      assert.is_true(os.remove(dir))
    end)

    it("nobody there", function()
      local err = failure(connect { endpoint = "http://127.0.0.1:1" }:show(ID))
      assert.equal("http.connect", err.code)
      assert.equal("glance.show", err.op)
    end)

    it("no answer in time", function()
      local err = failure(connect { endpoint = server.url .. "/hold", timeout = 0.3 }:create { name = "x" })
      assert.equal("http.timeout", err.code)
      err = failure(connect { endpoint = server.url .. "/hold", stall_timeout = 0.3 }:upload(ID, "x"))
      assert.equal("http.timeout", err.code)
    end)
  end)

  describe("wait", function()
    local function states(...)
      local answers = {}
      for i, status in ipairs { ... } do answers[i] = { status = 200, body = { id = ID, status = status } } end
      return answers
    end

    it("follows an image to its status", function()
      server:script { [SHOW] = states("queued", "saving", "active") }
      assert.equal("active", assert(connect():wait(ID)).status)
      assert.equal(3, #server:log())
    end)

    it("reports that it was killed, deleted, or fell back to queued", function()
      for expected, answers in pairs {
        ["the image is killed, not active"] = states("saving", "killed"),
        ["the image is deleted, not active"] = states("queued", "deleted"),
        ["the image is pending_delete, not active"] = states("pending_delete"),
        ["the image went back to queued"] = states("queued", "importing", "queued"),
      } do
        server:script { [SHOW] = answers }
        local err = failure(connect():wait(ID, { timeout = 20 }))
        assert.equal("glance.failed", err.code)
        assert.truthy(err.message:find(expected, 1, true), err.message)
        assert.equal(ID, err.where.image_id)
      end
      server:script { [SHOW] = { states("saving")[1], refusal(404, "gone") } }
      assert.equal("glance.not_found", failure(connect():wait(ID)).code)
    end)

    it("looks less and less often", function()
      server:script { [SHOW] = states("importing") }
      local err = failure(connect():wait(ID, { timeout = 5 }))
      assert.equal("timeout", err.code)
      local looks, least = server:log(), 0.2
      assert.is_true(#looks >= 3)
      -- The last one comes when the time is over.
      for i = 2, #looks - 1 do
        local gap = looks[i].time - looks[i - 1].time
        assert.is_true(gap > 0.9 * least, ("look %d after %g s"):format(i, gap))
        least = least * 1.5
      end
    end)

    it("outlives a Glance that is restarted", function()
      server:script { [SHOW] = { states("importing")[1], { cut = true }, refusal(503, "starting"),
        states("active")[1] } }
      assert.equal("active", assert(connect():wait(ID)).status)
    end)

    it("can be cancelled", function()
      server:script { [SHOW] = states("importing") }
      local waiting = task.spawn(function() return connect():wait(ID) end)
      task.sleep(0.1)
      waiting:cancel()
      assert.is_false(pcall(waiting.join, waiting))
    end)
  end)

  describe("stores", function()
    local DETAIL, PLAIN = "GET /v2/info/stores/detail", "GET /v2/info/stores"

    it("with the properties that a release tells", function()
      server:script { [DETAIL] = { { status = 200, body = { stores = {
        { id = "ceph", type = "rbd", weight = 100, default = "true", description = "fast", properties = {
          pool = "images", chunk_size = 8388608, thin_provisioning = false, fsid = "f5" } },
        { id = "web", type = "http", ["read-only"] = "true", properties = json.null },
      } } } } }
      local stores = assert(connect():stores())
      assert.same({ id = "ceph", type = "rbd", weight = 100, default = true, read_only = false, description = "fast",
        pool = "images", chunk_size = 8388608, thin_provisioning = false, fsid = "f5" }, stores[1])
      assert.same({ id = "web", type = "http", default = false, read_only = true }, stores[2])
      assert.equal(1, #server:log())
    end)

    it("without, where this user may not know them or the release is too old", function()
      for _, status in ipairs { 403, 404 } do
        server:script { [DETAIL] = { refusal(status, "no") },
          [PLAIN] = { { status = 200, body = { stores = { { id = "ceph", default = "true" } } } } } }
        assert.same({ { id = "ceph", default = true, read_only = false } }, connect():stores())
      end
    end)

    it("none, where there is one store without a name", function()
      server:script { [DETAIL] = { refusal(404, "no") }, [PLAIN] = { refusal(404, "no") } }
      assert.same({}, connect():stores())
    end)

    it("or why not", function()
      server:script { [DETAIL] = { refusal(403, "no") }, [PLAIN] = { refusal(403, "no") } }
      assert.equal("glance.forbidden", failure(connect():stores()).code)
      server:script { [DETAIL] = { refusal(401, "no") } }
      assert.equal("glance.unauthorized", failure(connect():stores()).code)
    end)
  end)

  describe("list", function()
    local function page(ids, next_path)
      local images = json.array {}
      for i, id in ipairs(ids) do images[i] = { id = id } end
      return { status = 200, body = { images = images, next = next_path } }
    end

    it("follows the pages", function()
      server:script { ["GET /v2/images?limit=100&name=x"] = { page({ "a", "b" }, "/v2/images?marker=b&limit=100") },
        ["GET /v2/images?marker=b&limit=100"] = { page { "c" } } }
      local images = assert(connect():list { name = "x" })
      assert.same({ "a", "b", "c" }, { images[1].id, images[2].id, images[3].id })
    end)

    it("stops at pages that lead nowhere", function()
      for _, next_path in ipairs { "http://evil/v2/images?marker=b", "/etc/passwd", 7 } do
        server:script { ["GET /v2/images"] = { page({ "a" }, next_path) } }
        assert.equal(1, #assert(connect():list()))
      end
      server:script { ["GET /v2/images"] = { page({}, "/v2/images?marker=a") } }
      assert.same({}, connect():list())
    end)

    it("asks for several tags", function()
      server:script { ["GET /v2/images"] = { page {} } }
      assert(connect():list { tag = { "b", "a c" }, sort = "created_at:desc" })
      assert.equal("/v2/images?limit=100&sort=created_at%3Adesc&tag=a%20c&tag=b", server:log()[1].target)
    end)

    it("gives what went wrong on a later page", function()
      server:script { ["GET /v2/images?limit=100"] = { page({ "a" }, "/v2/images?marker=a") },
        ["GET /v2/images?marker=a"] = { refusal(400, "no marker") } }
      assert.equal("glance.bad_request", failure(connect():list()).code)
    end)
  end)

  it("a proxy's prefix stays before the path", function()
    server:script { ["GET /image/v2/images/" .. ID] = { { status = 200, body = { id = ID, status = "active" } } } }
    assert(connect { endpoint = server.url .. "/image/v2/" }:show(ID))
  end)

  it("an unknown option is misuse", function()
    local client = connect()
    for method, arguments in pairs {
      call = { "GET", "/v2/images", { acept = {} } }, upload = { ID, "x", { stroe = "x" } },
      download = { ID, nil, { progres = print } }, wait = { ID, { timeot = 1 } },
      add_location = { ID, { urls = "x" } },
    } do
      local ok, err = pcall(client[method], client, table.unpack(arguments, 1, 3))
      assert.is_false(ok)
      assert.truthy(tostring(err):find("did you mean", 1, true), tostring(err))
    end
    assert.is_false(pcall(client.call, client, "GET", "no slash"))
  end)
end)
