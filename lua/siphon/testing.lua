--- For the specs of policies: facts made up, a job that only writes down what is done to it, no cluster.
--
--   local testing = require "siphon.testing"
--   local policy = testing.policy "mine.lua"
--   local names, reason = policy.routes(testing.facts { source = { size = 2 << 40 } })
--   local job = testing.job { route = "copy" }
--   policy.after(job)
--   assert.same({ "seal", "verify", "register" }, job.calls)
--
-- `siphon policy test DIR` runs the specs (busted's) in a directory.

local core = require "siphon.core"
local errors = require "siphon.errors"
local json = require "siphon.json"
local policies = require "siphon.policy"
local routes = require "siphon.routes"
local situations = require "siphon.situations"

local testing = {}

--- Facts: a typical volume of 20 GiB and an image store in the same cluster, but for what is given: { source = {
-- size = 1 << 40 }, target = { writable = false } }. A fact that is not known is written as false. A name that
-- siphon does not know raises.
function testing.facts(given)
  return situations.facts(given or {})
end

--- The sample situations of `siphon policy check`: { { title, facts }, ... }.
function testing.situations()
  local list = {}
  for i, entry in ipairs(situations.LIST) do list[i] = { entry[1], situations.facts(entry[2]) } end
  return list
end

local Job = {}
Job.__index = Job

for _, name in ipairs { "seal", "verify", "register" } do
  Job[name] = function(self)
    self.calls[#self.calls + 1] = name
    if self.failing[name] then error(self.failing[name], 0) end
  end
end

--- A job that writes down in `calls` which of its methods were called. options: facts, route, image_id, location, hash;
-- failing = { register = "message" }: the methods that fail.
function testing.job(options)
  options = errors.check_options("siphon.testing.job", options or {}, {
    facts = "table", route = "string", image_id = "string", location = "string", hash = "table",
    failing = "table",
  })
  local job = setmetatable({ id = "20260131-093501-4f9a1c", calls = {}, failing = {}, entries = {} }, Job)
  job.facts = options.facts or testing.facts()
  job.route, job.hash = options.route or "copy", options.hash
  job.request = { source = job.facts.source.spec, target = job.facts.target.spec }
  local result = {
    image_id = options.image_id or job.facts.target.image,
    location = options.location or ("rbd://%s/images/%s/snap"):format(job.facts.source.fsid, job.facts.target.image),
  }
  job.target = { result = function() return result end }
  local allocated = job.facts.source.allocated
  job.bytes = { size = job.facts.source.size, allocated = allocated, copied = allocated, through_host = 0 }
  for name, message in pairs(options.failing or {}) do
    job.failing[name] = core.error { code = "testing.failed", message = message }
  end
  return job
end

-- A policy's siphon.http in a spec: requests are written down and answered with the status that the spec set.
local function record_http(loaded, http)
  loaded.loading.request = function(options)
    http.requests[#http.requests + 1] = options
    if http.error then return nil, errors.new("http.connect", "http.request", http.error) end
    local body = http.body and json.encode(http.body) or ""
    return { status = http.status, headers = {}, body = body, url = options.url }
  end
end

--- A policy by name or file, loaded as siphon loads it; an error in it raises. Fields:
--   routes(facts) -> names, reason   checked as siphon checks them; a refusal by the fence raises
--   before(job), after(job)          of the policy, with a job of testing.job; nil where it has none
--   log                              what siphon.log was told, a list
--   http                             { status = 200, body, error, requests = {} }: what siphon.http.request answers,
--                                    and was asked
function testing.policy(name)
  local loaded, err = policies.load(name)
  if not loaded then error(err, 2) end
  local self = { name = loaded.name, summary = loaded.summary, log = {}, http = { status = 200, requests = {} } }
  loaded.set_log(function(text) self.log[#self.log + 1] = text end)
  record_http(loaded, self.http)
  function self.routes(facts)
    local names, reason = policies.routes(loaded, facts, routes.names)
    if not names then error(reason, 2) end
    return names, reason
  end
  for _, hook in ipairs { "before", "after" } do
    if loaded.table[hook] then
      self[hook] = function(job) policies.call(loaded, hook, job) end
    end
  end
  return self
end

return testing
