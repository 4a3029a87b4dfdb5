--- What Keystone's refusals mean and what to do about them.
--
-- Keystone tells little on purpose: 401 is one answer to an unknown user, a wrong password, a locked account and a
-- project without a role. The settings are named as the environment has them (OS_PASSWORD); in clouds.yaml the
-- same words are written small.

local errors = require "siphon.errors"
local failures = require "siphon.glance.failure"
local nearest = require "siphon.nearest"

local failure = {}

local CODES = {
  [400] = "keystone.bad_request", [401] = "keystone.unauthorized", [403] = "keystone.forbidden",
  [404] = "keystone.not_found", [429] = "keystone.server",
}

local REFUSED = {
  password = "the user, its domain or the password is wrong, or the account is disabled or locked "
    .. "(OS_USERNAME, OS_USER_DOMAIN_NAME, OS_PASSWORD)",
  application_credential = "the application credential does not exist any more or has expired, its secret is "
    .. "wrong, or its user lost the role (openstack application credential list)",
  token = "the token is wrong, expired or revoked: a new one is needed (openstack token issue, OS_TOKEN)",
}

local FORBIDDEN = {
  token = "this Keystone does not exchange scoped tokens (allow_rescope_scoped_token); with "
    .. "OS_AUTH_TYPE=admin_token and OS_ENDPOINT the token is sent to Glance as it is",
}

--- "user 'demo'", for people.
function failure.who(identity)
  if identity.kind == "token" then return "the given token" end
  local id, name = identity.application_credential_id, identity.application_credential_name
  if identity.kind == "application_credential" and (id or name) then
    return ("application credential '%s'"):format(id or name)
  end
  return ("user '%s'"):format(identity.username or identity.user_id or "?")
end

local function scope_text(identity)
  local project = identity.project_name or identity.project_id
  if project then return ("project '%s'"):format(project) end
  local domain = identity.domain_name or identity.domain_id
  if domain then return ("domain '%s'"):format(domain) end
  if identity.trust_id then return ("trust '%s'"):format(identity.trust_id) end
  return "the system scope"
end

local function new(code, identity, message, response, fields)
  fields = fields or {}
  fields.where = { url = identity.url }
  if response then
    fields.http = { status = response.status, request_id = response.headers["x-openstack-request-id"] }
  end
  return errors.new(code, "keystone.token", message, fields)
end

local function advice_for(identity, status, response)
  if status == 401 then return REFUSED[identity.kind] end
  if status == 403 then return FORBIDDEN[identity.kind] or "Keystone's policy does not allow it to this user" end
  if status >= 500 then return "Keystone's log may say more" end
  if status >= 300 and status < 400 then
    local target = (response.headers.location or "?"):gsub("/auth/tokens$", "")
    return ("it sends to another URL, where no password is sent unasked: set OS_AUTH_URL=%s"):format(target)
  end
end

--- The error object for an answer that is no token. `unknown`: it is Keystone's 404 for what it was shown, which
-- means the same as 401.
function failure.of(identity, response, unknown)
  local status = response.status
  local meaning = unknown and 401 or status
  local code = CODES[meaning] or status >= 500 and "keystone.server"
    or status < 400 and "keystone.redirect" or "keystone.unexpected"
  local words, advice = failures.words(response), advice_for(identity, meaning, response)
  local message = ("Keystone refuses %s: %d%s%s"):format(failure.who(identity), status,
    words ~= "" and " " .. words or "", advice and "; " .. advice or "")
  return new(code, identity, message, response, { retryable = status >= 500 or status == 429 })
end

local function names_of(projects)
  local names = {}
  for i, project in ipairs(projects) do names[i] = project.name or project.id end
  table.sort(names)
  return names
end

--- The password is right; the scope is what was refused. projects: those that the user has a role in.
function failure.no_scope(identity, response, projects)
  local names, there = names_of(projects), "no project at all"
  if #names > 0 then there = "only in: " .. table.concat(names, ", ") end
  local wanted = identity.project_name
  local hint = wanted and nearest.hint(wanted, names) or ""
  return new("keystone.project", identity, ("%s has no role in %s, or it does not exist; roles %s%s"):format(
    failure.who(identity), scope_text(identity), there, hint), response)
end

--- No answer came at all.
function failure.unreachable(identity, err)
  local message = ("Keystone at %s: %s; is the auth URL right (OS_AUTH_URL)?"):format(identity.url, err.message)
  local explained = errors.explain(err, message)
  explained.op, explained.where = "keystone.token", { url = identity.url }
  return explained
end

--- An answer that Keystone would not give.
function failure.not_keystone(identity, response)
  local start = (response.body or ""):sub(1, 60):gsub("%c", " ")
  return new("keystone.not_json", identity, ("the answer is not Keystone's (it begins with '%s'): is the auth URL "
    .. "right (OS_AUTH_URL), or is a proxy in between?"):format(start), response)
end

--- The versions that an answer at the root lists: { { id = "v3.14", url }, ... }; empty when it is no such list.
function failure.versions(body)
  local list = type(body) == "table" and body.versions
  if type(list) == "table" and list.values then list = list.values end
  if type(body) == "table" and type(body.version) == "table" then list = { body.version } end
  local versions = {}
  for _, version in ipairs(type(list) == "table" and list or {}) do
    if type(version) == "table" and type(version.id) == "string" then
      local url
      for _, link in ipairs(version.links or {}) do
        if link.rel == "self" and type(link.href) == "string" then url = link.href end
      end
      versions[#versions + 1] = { id = version.id, url = url }
    end
  end
  return versions
end

--- There is no v3 below the auth URL.
function failure.no_v3(identity, response, versions)
  local ids = {}
  for i, version in ipairs(versions) do ids[i] = version.id end
  if #ids > 0 then
    return new("keystone.version", identity, ("Keystone at %s offers %s and no v3 where that should be"):format(
      identity.auth_url, table.concat(ids, ", ")), response)
  end
  return new("keystone.not_found", identity, ("there is no Keystone v3 at %s: is the auth URL right (OS_AUTH_URL)? "
    .. "It often ends in :5000 or in /identity"):format(identity.auth_url), response)
end

--- A token without a scope has no catalog.
function failure.no_catalog(identity)
  local who = failure.who(identity)
  return new("keystone.scope", identity, ("%s has no scope, and so no catalog: name a project (OS_PROJECT_NAME), or "
    .. "Glance's URL (OS_IMAGE_ENDPOINT_OVERRIDE)"):format(identity.kind == "token" and who or "the token of " .. who))
end

return failure
