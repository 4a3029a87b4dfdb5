--- The routes: one file each, `siphon.routes.NAME`, which returns a table:
--
--   summary              one line: who moves the bytes
--   applies(facts)       true, or false, the reason, and perhaps an error code that says more than
--                        "policy.no_route" does
--   cost(facts)          { copied, through_host } in bytes, an estimate before the copy
--   steps(facts)         texts for `siphon plan`
--   run(job)             makes the copy in job.target.place from job:open_source(); raises on failure
--   unsuitable           codes of errors which mean that another route may still do: it is undone, the next
--                        is tried
--   uploads              optional: Glance stores the bytes, by job.target:upload; nothing is sealed or registered
--   hashes               optional: `run` computes request.hash and sets job.hash; where it does not, siphon reads the
--                        snapshot beside it (see siphon.hashes)
--   throttled            optional: limits that are set on the source hold for it: librbd reads it as for any client
--   finish(job)          optional: what is left to do once the image is registered
--   parent               optional: "meanwhile" when the copy leans on the source's snapshot until `finish`, "kept"
--                        when it does so for good
--   steps_after(facts)   optional: texts for what `finish` does
--
-- An operator's route is a file routes/NAME.lua in a directory of the policy path, and is found by its name like
-- these. It is a program, not a decision: it sees all of Lua, and `require "siphon"`.

local errors = require "siphon.errors"
local hashes = require "siphon.hashes"
local lists = require "siphon.lists"
local nearest = require "siphon.nearest"

local routes = {}

--- siphon's own, in the order in which they are shown.
routes.names = { "osd_copy", "copy", "clone_flatten", "instant", "clone", "deep_copy", "upload", "convert" }

local KEYS = {
  summary = "string", applies = "function", cost = "function", steps = "function", run = "function",
  unsuitable = "table", finish = "function", steps_after = "function", resume = "function", parent = "string",
  uploads = "boolean", hashes = "boolean", throttled = "boolean",
}
local REQUIRED = { "summary", "applies", "cost", "steps", "run" }

local function invalid(path, message)
  return nil, errors.new("policy.invalid", nil, ("route %s: %s"):format(path, message))
end

local function check(path, route)
  if type(route) ~= "table" then return invalid(path, "it has to return a table, not " .. type(route)) end
  for key, value in pairs(route) do
    local expected = KEYS[key]
    if not expected then
      return invalid(path, ("unknown key '%s'%s"):format(tostring(key), nearest.hint(key, nearest.keys(KEYS))))
    end
    if type(value) ~= expected then
      return invalid(path, ("'%s' has to be a %s, not a %s"):format(key, expected, type(value)))
    end
  end
  for _, key in ipairs(REQUIRED) do
    if route[key] == nil then return invalid(path, ("'%s' is missing"):format(key)) end
  end
  return route
end

-- The file of an operator's route, or nil.
local function find(name)
  if not name:find("^[%w_]+$") then return nil end
  for _, directory in ipairs(require("siphon.policy").path()) do
    local path = ("%s/routes/%s.lua"):format(directory, name)
    local file = io.open(path, "r")
    if file then
      file:close()
      return path
    end
  end
end

local loaded = {}

local function load_file(path)
  if loaded[path] then return loaded[path] end
  local chunk, problem = loadfile(path, "t")
  if not chunk then return nil, errors.new("policy.syntax", nil, problem) end
  local ok, value = xpcall(chunk, errors.handler)
  if not ok then
    return nil, errors.new("policy.failed", nil, ("route %s: %s"):format(path, value.message), { cause = value })
  end
  local route, err = check(path, value)
  loaded[path] = route
  return route, err
end

--- Has the files of operators' routes read again when they are needed next.
function routes.forget() loaded = {} end

--- What the route costs all in all: { copied, through_host } in bytes.
function routes.cost(route, facts)
  local cost = route.cost(facts)
  return { copied = cost.copied, through_host = cost.through_host + hashes.cost(facts, route) }
end

--- Whether there is a route of that name, siphon's or an operator's.
function routes.is_known(name)
  return lists.has(routes.names, name) or find(name) ~= nil
end

--- The route of that name, or nil and an error of code "usage" that names the nearest.
function routes.get(name)
  if lists.has(routes.names, name) then return require("siphon.routes." .. name) end
  local path = find(name)
  if path then return load_file(path) end
  return nil, errors.new("usage", nil, ("there is no route '%s'%s (routes: %s)"):format(name,
    nearest.hint(name, routes.names), table.concat(routes.names, ", ")))
end

return routes
