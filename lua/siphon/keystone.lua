--- Keystone v3: who we are, as tokens that are renewed, and where the services are, from the catalog that
-- comes with a token.
--
--   local identity = siphon.keystone.identity { auth_url = "https://keystone:5000", username = "demo",
--     password = secret, project_name = "demo" }
--   local token = assert(identity:token())
--   local url = assert(identity:endpoint { service = "image", region = "RegionOne" })
--
-- An identity has the methods that siphon.glance.static_auth describes, so it can be the `auth` of a Glance
-- client. It may be shared by any number of tasks: while one fetches a token the others wait for it. Tokens and
-- passwords are Secrets; a token goes from Keystone's answer to Glance's request without being a Lua string.

local catalog = require "siphon.keystone.catalog"
local core = require "siphon.core"
local errors = require "siphon.errors"
local failure = require "siphon.keystone.failure"
local json = require "siphon.json"

local keystone = {}

local TIMEOUT = 60              -- seconds for one answer
local RENEW_BEFORE = 120        -- seconds of life left; keystoneauth's MIN_TOKEN_LIFE_SECONDS is the same
local RETRIES, RETRY_WAIT = 3, 0.5
local DEFAULT_DOMAIN = "default" -- its id in every Keystone; the openstack command assumes it too

local Identity = { __name = "siphon.keystone.Identity" }
Identity.__index = Identity

local OPTIONS = {
  auth_url = "string", kind = "string",
  user_id = "string", username = "string", user_domain_id = "string", user_domain_name = "string",
  password = "userdata string", token = "userdata string",
  application_credential_id = "string", application_credential_name = "string",
  application_credential_secret = "userdata string",
  project_id = "string", project_name = "string", project_domain_id = "string",
  project_domain_name = "string", domain_id = "string", domain_name = "string", system_scope = "string",
  trust_id = "string",
  ca_file = "string", cert_file = "string", key_file = "string", insecure = "boolean", proxy = "string",
}

local SECRETS = { "password", "token", "application_credential_secret" }

local NEEDS = {
  password = { "password" },
  application_credential = { "application_credential_secret" },
  token = { "token" },
}

-- "https://keystone/identity/v3/" -> "https://keystone/identity"
local function root_of(url)
  local base = url:gsub("/+$", "")
  return base:match("^(.-)/v[%d.]+$") or base
end

--- An identity; nothing is asked yet. Misuse raises. options:
--   auth_url     Keystone's URL, with or without /v3
--   kind         "password" (default), "application_credential" or "token"
--   user_id, or username with user_domain_id or user_domain_name (default: the domain of id "default")
--   password
--   application_credential_id, or application_credential_name with the user; application_credential_secret
--   token        of kind "token": exchanged for one with the scope, which lives as long as the given one
--   scope: project_id, or project_name with project_domain_id or project_domain_name; or domain_id,
--     domain_name, system_scope = "all", or trust_id. An application credential has its own.
--   ca_file, cert_file, key_file, insecure, proxy   as siphon.http.request has them
function keystone.identity(options)
  local op = "keystone.identity"
  errors.check_options(op, options, OPTIONS)
  local self = {}
  for key, value in pairs(options) do self[key] = value end
  self.kind = options.kind or "password"
  if not NEEDS[self.kind] then errors.misuse(op, ("unknown kind '%s'"):format(self.kind)) end
  for _, key in ipairs { "auth_url", table.unpack(NEEDS[self.kind]) } do
    if not self[key] then errors.misuse(op, ("option '%s' is missing"):format(key)) end
  end
  for _, key in ipairs(SECRETS) do self[key] = self[key] and core.secret(self[key]) end
  self.given, self.token = self.token, nil -- identity:token() is a method
  self.url = root_of(options.auth_url) .. "/v3"
  self.turn = core.task.semaphore(1)
  return setmetatable(self, Identity)
end

function Identity:__tostring()
  return ("siphon.keystone.Identity %s at %s"):format(failure.who(self), self.url)
end

-- --- what is asked
-- -------------------------------------------------------------------------------------------------

local function domain(id, name)
  if id then return { id = id } end
  if name then return { name = name } end
  return { id = DEFAULT_DOMAIN }
end

local function user_of(self)
  if self.user_id then return { id = self.user_id } end
  return { name = self.username, domain = domain(self.user_domain_id, self.user_domain_name) }
end

local METHODS = {}

function METHODS.password(self)
  local user = user_of(self)
  user.password = self.password:reveal()
  return { methods = { "password" }, password = { user = user } }
end

function METHODS.application_credential(self)
  local credential = { secret = self.application_credential_secret:reveal() }
  if self.application_credential_id then
    credential.id = self.application_credential_id
  else
    credential.name, credential.user = self.application_credential_name, user_of(self)
  end
  return { methods = { "application_credential" }, application_credential = credential }
end

function METHODS.token(self)
  return { methods = { "token" }, token = { id = self.given:reveal() } }
end

local function scope_of(self)
  if self.kind == "application_credential" then return nil end -- Keystone refuses one beside it
  if self.project_id then return { project = { id = self.project_id } } end
  if self.project_name then
    return { project = { name = self.project_name,
      domain = domain(self.project_domain_id, self.project_domain_name) } }
  end
  if self.domain_id then return { domain = { id = self.domain_id } } end
  if self.domain_name then return { domain = { name = self.domain_name } } end
  if self.trust_id then return { ["OS-TRUST:trust"] = { id = self.trust_id } } end
  if self.system_scope then return { system = { all = true } } end
end

local TRY_AGAIN = { [429] = true, [502] = true, [503] = true, [504] = true }

-- A redirect is not followed: the body holds the password, and must not go where a server points.
local function request(self, fields)
  local options = {
    method = fields.method or "GET", url = fields.url, body = fields.body,
    headers = { Accept = "application/json", ["Content-Type"] = fields.body and "application/json",
      ["X-Auth-Token"] = fields.token },
    secret_headers = { "x-subject-token" }, max_redirects = 0, timeout = TIMEOUT,
    ca_file = self.ca_file, cert_file = self.cert_file, key_file = self.key_file, insecure = self.insecure,
    proxy = self.proxy,
  }
  for attempt = 0, RETRIES do
    local response, err = core.http.request(options)
    local passing = response and TRY_AGAIN[response.status] or err and err:is("http.cut")
    if not passing or attempt == RETRIES then return response, err end
    core.task.sleep(RETRY_WAIT * 2 ^ attempt)
  end
end

local function ask_token(self, scope)
  local auth = { identity = METHODS[self.kind](self), scope = scope }
  return request(self, { method = "POST", url = self.url .. "/auth/tokens", body = json.encode { auth = auth } })
end

-- --- what comes back
-- ----------------------------------------------------------------------------------------------

-- Days since 1970 of a date, by the calendar's own arithmetic: os.time would see local time and its changes.
local function days(year, month, day)
  if month <= 2 then year, month = year - 1, month + 12 end
  local era = year // 400
  local of_era = year - era * 400
  local of_year = (153 * (month - 3) + 2) // 5 + day - 1
  return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468
end

--- "2026-01-31T09:35:01.000000Z" -> seconds since 1970, or nil.
function keystone.parse_time(text)
  local numbers = { tostring(text):match("^(%d+)-(%d%d)-(%d%d)T(%d%d):(%d%d):(%d%d)[%d.]*Z$") }
  if #numbers ~= 6 then return nil end
  for i, digits in ipairs(numbers) do numbers[i] = math.tointeger(digits) end
  return days(numbers[1], numbers[2], numbers[3]) * 86400 + numbers[4] * 3600 + numbers[5] * 60 + numbers[6]
end

-- How long the token lives is a difference of two of Keystone's own times, so that a clock of ours that is wrong
-- neither wears tokens out early nor uses them too long.
local function life_of(token)
  local from, to = keystone.parse_time(token.issued_at), keystone.parse_time(token.expires_at)
  return from and to and to - from
end

local function accept(self, response, began)
  local body = response.body and json.decode(response.body, { drop_null = true })
  local token = type(body) == "table" and body.token
  local secret = response.headers["x-subject-token"]
  local life = type(token) == "table" and life_of(token)
  if not (secret and life) then return nil, failure.not_keystone(self, response) end
  self.current = {
    secret = secret, renew_at = began + life - math.min(RENEW_BEFORE, life / 2),
    catalog = token.catalog, project = token.project, roles = token.roles or {},
  }
  return self.current
end

-- Looks which versions there are where the auth URL points: Keystone may lie below another path than it seems.
local function discover(self)
  local response = request(self, { url = root_of(self.auth_url) .. "/" })
  local body = response and response.body and json.decode(response.body, { drop_null = true })
  return failure.versions(body)
end

-- The v3 that Keystone itself names, if it lies on the host that the caller named, and whether that is where it
-- was asked: then its 404 is about the token or the credential.
local function v3_of(self, versions)
  local origin = self.auth_url:match("^%a+://[^/]+")
  for _, version in ipairs(versions) do
    local url = version.url and version.url:gsub("/+$", "")
    if version.id:find("^v3") and url and url:sub(1, #origin + 1) == origin .. "/" then
      return url, url == self.url
    end
  end
end

local function list_projects(self, token)
  local response = request(self, { url = self.url .. "/auth/projects", token = token })
  local body = response and response.status == 200 and json.decode(response.body, { drop_null = true })
  return type(body) == "table" and body.projects or {}
end

-- Keystone answers 401 alike to a wrong password and to a project that the user has no role in. Asking once more
-- for no project at all tells them apart.
local function explain_401(self, response, scope)
  if self.kind == "password" and scope then
    local unscoped = ask_token(self, "unscoped")
    if unscoped and unscoped.status == 201 then
      return failure.no_scope(self, response, list_projects(self, unscoped.headers["x-subject-token"]))
    end
  end
  return failure.of(self, response)
end

local function fetch(self)
  local scope, began = scope_of(self), core.task.now()
  local response, err = ask_token(self, scope)
  if response and (response.status == 404 or response.status == 300) and not self.looked then
    self.looked = true
    local versions = discover(self)
    local url, here = v3_of(self, versions)
    if here then return nil, failure.of(self, response, "unknown") end
    if not url then return nil, failure.no_v3(self, response, versions) end
    self.url = url
    response, err = ask_token(self, scope)
  end
  if not response then return nil, failure.unreachable(self, err) end
  if response.status == 401 then return nil, explain_401(self, response, scope) end
  if response.status ~= 201 then return nil, failure.of(self, response) end
  return accept(self, response, began)
end

-- --- the identity
-- ------------------------------------------------------------------------------------------------

-- A token that came from another one lives no longer than that: asking again before its end would gain nothing.
local function is_fresh(self)
  return self.current and (self.kind == "token" or core.task.now() < self.current.renew_at)
end

local function state(self)
  if is_fresh(self) then return self.current end
  local permit <close> = self.turn:acquire() -- luacheck: ignore
  if is_fresh(self) then return self.current end
  return fetch(self)
end

--- The token to send: the one at hand, or a new one when that has less than 120 seconds to live. nil and an error
-- of code keystone.* when Keystone gives none.
function Identity:token()
  local current, err = state(self)
  if not current then return nil, err end
  return current.secret
end

--- A service has refused a token: forgets it, unless it has been replaced already. Returns true: another can be asked
-- for.
function Identity:invalidate(refused)
  local current = self.current
  if current and (refused == nil or refused == current.secret) then self.current = nil end
  return true
end

--- The names of the roles that the token carries.
function Identity:roles()
  local current, err = state(self)
  if not current then return nil, err end
  local names = {}
  for i, role in ipairs(current.roles) do names[i] = role.name end
  return names
end

--- The URL of a service, from the catalog. options: service ("image"), interfaces (a list, the first that is there
-- counts; default public), region (default: any). nil and an error of code "keystone.catalog" that names what there
-- is.
function Identity:endpoint(options)
  local current, err = state(self)
  if not current then return nil, err end
  if not current.catalog then return nil, failure.no_catalog(self) end
  return catalog.find(current.catalog, options, self.url)
end

return keystone
