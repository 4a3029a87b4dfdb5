--- Servers of the specs: the fault server, with and without TLS, each with a port of its own on 127.0.0.1.

local core = require "siphon.core"
local json = require "siphon.json"

local servers = {}

local Server = {}
Server.__index = Server

local function command(text)
  local pipe = assert(io.popen(text))
  local output = pipe:read "a"
  assert(pipe:close(), text)
  return output
end

--- A new directory that the spec removes.
function servers.temporary_directory()
  return (command("mktemp -d"):gsub("%s+$", ""))
end

local function read_file(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local content = file:read "a"
  file:close()
  return content
end
servers.read_file = read_file

function servers.write_file(path, content)
  local file = assert(io.open(path, "wb"))
  assert(file:write(content))
  assert(file:close())
end

--- Starts one. options: tls = a certificate of servers.authority; client_ca = true asks clients for certificates.
function servers.start(options)
  options = options or {}
  local self = setmetatable({ directory = servers.temporary_directory() }, Server)
  local tls = options.tls and (" %s %s"):format(options.tls.cert, options.tls.key) or ""
  if options.client_ca then tls = tls .. " " .. options.tls.ca end
  local port_file = self.directory .. "/port"
  self.pid = math.tointeger(command(("/usr/bin/python3 tests/support/fault_server.py %s %d%s >/dev/null 2>%s/log "
    .. "& echo $!"):format(port_file, core.system.pid(), tls, self.directory)))
  for _ = 1, 300 do
    local port = read_file(port_file)
    if port then
      self.port = port
      self.url = ("%s://127.0.0.1:%s"):format(options.tls and "https" or "http", port)
      return self
    end
    core.task.sleep(0.1)
  end
  error("the fault server did not start: " .. (read_file(self.directory .. "/log") or ""))
end

function Server:stop()
  -- Until it is dead; it may stay a zombie for as long as its new parent likes.
  os.execute(("kill %d; while grep -qs '^State:.[^Z]' /proc/%d/status; do sleep 0.01; done; rm -rf %s"):format(
    self.pid, self.pid, self.directory))
end

--- The requests since the last look: { { method, target, headers, body_bytes, sha256, body (a small one, to a
-- scripted answer), connection, nth, time (in seconds) }, ... }.
function Server:log()
  return json.decode(assert(core.http.request { url = self.url .. "/-/log" }).body)
end

--- Sets the answers to come: { ["GET /v2/images/x"] = { { status =, headers =, body =, read = }, ... } }, the last of
-- which stays. A body that is a table is sent as JSON. Forgets the log.
function Server:script(answers)
  for _, list in pairs(answers) do
    for _, answer in ipairs(list) do
      if type(answer.body) == "table" then
        answer.body = json.encode(answer.body)
        answer.headers = answer.headers or {}
        answer.headers["Content-Type"] = "application/json"
      end
    end
  end
  local response = assert(core.http.request { url = self.url .. "/-/script", method = "PUT",
    body = json.encode(answers) })
  assert(response.status == 204)
end

--- An authority of our own and a certificate for 127.0.0.1 signed by it: { ca, cert, key, other_ca } (PEM files), in a
-- directory that `remove` removes.
function servers.authority()
  local dir = servers.temporary_directory()
  local script = ([[
    set -e; cd %s
    ca() { openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$1" -keyout $1.key -out $1.pem \
      -addext basicConstraints=critical,CA:TRUE; }
    ca ca; ca other
    openssl req -newkey rsa:2048 -nodes -subj /CN=siphon-spec -keyout server.key -out server.csr
    printf 'subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n' > extensions
    openssl x509 -req -days 2 -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile extensions \
      -out server.pem
  ]]):format(dir)
  command("(" .. script .. ") 2>" .. dir .. "/log")
  return {
    ca = dir .. "/ca.pem", cert = dir .. "/server.pem", key = dir .. "/server.key", other_ca = dir .. "/other.pem",
    remove = function() os.execute("rm -rf " .. dir) end,
  }
end

return servers
