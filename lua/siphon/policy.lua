--- Finds, loads and checks policies.
--
-- A policy is named by a word ("default"), looked for as WORD.lua on the policy path, or by a file (anything
-- with a '/' or that ends in ".lua"). The path: the directories in SIPHON_POLICY_PATH (with ':' between),
-- then $XDG_CONFIG_HOME/siphon/policies, /etc/siphon/policies, and the policies that siphon came with.
--
-- What a policy may contain is in `policy.TABLE`, what it sees as `siphon` in `policy.FACE`, the rest of its
-- environment in siphon.fence; siphon-policy(7) is made of them.

local core = require "siphon.core"
local errors = require "siphon.errors"
local event = require "siphon.event"
local fence = require "siphon.fence"
local job_face = require "siphon.job_face"
local nearest = require "siphon.nearest"
local osd_options = require "siphon.osd_options"

local policy = {}

--- What a policy's table may hold: { name, type, meaning }.
policy.TABLE = {
  { "routes", "function", "routes(facts) returns a list of route names, to be tried in that order, and a reason for "
    .. "the log. The first that applies is taken; one that turns out not to work here is undone, and the next one "
    .. "tried. An empty list refuses the copy. It has no effects: `siphon plan` runs it too. Required" },
  { "before", "function", "before(job) runs before anything is changed" },
  { "after", "function", "after(job) runs once the bytes are there. Without it, siphon calls job:seal(), job:verify() "
    .. "and job:register()" },
  { "osd_copy", "table", "options for the route osd_copy; what the command line asks for comes first" },
}

--- The errors of policies: { code, when }.
policy.ERRORS = {
  { "policy.not_found", "There is no policy of that name, or no such file." },
  { "policy.syntax", "It is no Lua, or bytecode." },
  { "policy.invalid", "What it returned is no policy, or its routes(facts) returned something else than a list of "
    .. "names of routes that there are, and a string." },
  { "policy.failed", "It raised." },
  { "policy.limit", "It ran for too long, or took too much memory." },
  { "policy.no_route", "None of the routes that it named applies, or it named none." },
}

local KEYS = {}
for _, entry in ipairs(policy.TABLE) do KEYS[entry[1]] = entry[2] end

-- Where siphon's own policies lie, seen from this file: beside lua/ in the source tree, in share/siphon
-- installed.
local function own_directory()
  local here = debug.getinfo(1, "S").source:match("^@(.*)/siphon/policy%.lua$") or ""
  local share = here:match("^(.*)/lua/[%d.]+$")
  return share and share .. "/siphon/policies" or (here == "lua" and "" or here:gsub("/lua$", "/")) .. "policies"
end

--- The directories of the policy path, in order, whether they exist or not.
function policy.path()
  local list = {}
  for directory in (os.getenv("SIPHON_POLICY_PATH") or ""):gmatch("[^:]+") do list[#list + 1] = directory end
  local config = os.getenv("XDG_CONFIG_HOME")
  if not config or config == "" then config = (os.getenv("HOME") or "") .. "/.config" end
  list[#list + 1] = config .. "/siphon/policies"
  list[#list + 1] = "/etc/siphon/policies"
  list[#list + 1] = own_directory()
  return list
end

local function read_file(path)
  local file <close> = io.open(path, "rb")
  -- A directory opens too, but does not read.
  return file and file:read("a") or nil
end

-- The file of a name on the path: its text and its path.
local function find(name)
  if name:find("/", 1, true) or name:find("%.lua$") then
    local text = read_file(name)
    if text then return text, name end
    return nil, errors.new("policy.not_found", nil, ("policy '%s': there is no such file"):format(name))
  end
  for _, directory in ipairs(policy.path()) do
    local path = directory .. "/" .. name .. ".lua"
    local text = read_file(path)
    if text then return text, path end
  end
  return nil, errors.new("policy.not_found", nil, ("there is no policy '%s' in %s"):format(name,
    table.concat(policy.path(), ", ")))
end

local function check(name, path, value)
  local function bad(message)
    return nil, errors.new("policy.invalid", nil, ("policy '%s' (%s): %s"):format(name, path, message))
  end
  if type(value) ~= "table" then return bad("it has to return a table, not " .. type(value)) end
  for key, member in pairs(value) do
    local expected = KEYS[key]
    if not expected then
      return bad(("unknown key '%s'%s"):format(tostring(key), nearest.hint(key, nearest.keys(KEYS))))
    end
    if type(member) ~= expected then
      return bad(("'%s' has to be a %s, not %s"):format(key, expected, type(member)))
    end
  end
  if not value.routes then return bad("the function 'routes' is missing") end
  for key in pairs(value.osd_copy or {}) do
    if not osd_options.TYPES[key] then
      local hint = nearest.hint(key, nearest.keys(osd_options.TYPES))
      return bad(("osd_copy has no option '%s'%s"):format(tostring(key), hint))
    end
  end
  local ok, option, problem = osd_options.check(value.osd_copy or {})
  if not ok then return bad(("osd_copy: '%s' %s"):format(option, problem)) end
  return true
end

-- Modules that policies share: Lua text on the policy path, in the same fence, never C.
local function module_loader(loading)
  return function(name)
    if loading.modules[name] ~= nil then return loading.modules[name] end
    for _, directory in ipairs(policy.path()) do
      local path = directory .. "/" .. name:gsub("%.", "/") .. ".lua"
      local text = read_file(path)
      if text then
        local chunk, err = fence.load(text, path, loading.environment())
        if not chunk then error(err, 0) end
        loading.fenced["@" .. path] = true
        local value = chunk(name)
        loading.modules[name] = value == nil and true or value
        return loading.modules[name]
      end
    end
    error(("there is no module '%s' on the policy path; a policy can require nothing else"):format(name), 2)
  end
end

-- What a route says about facts, for a policy that chooses by it.
local function ask_route(question)
  return function(name, facts)
    local routes = require "siphon.routes"
    local route, err = routes.get(name)
    if not route then error(err, 0) end
    return question(routes, route, facts)
  end
end

local function cost_of(routes, route, facts) return routes.cost(route, facts) end
local function applies(_, route, facts) return route.applies(facts) end

local function route_names()
  local names = require("siphon.routes").names
  return table.move(names, 1, #names, 1, {})
end

-- Deciding changes nothing and tells nobody: the same code runs for `siphon plan`, any number of times.
local function http_of(loading)
  return { request = function(options)
    if not loading.acting then
      error("siphon.http is for `before` and `after`: `routes` only decides", 2)
    end
    return loading.request(options)
  end }
end

--- What a policy sees as `siphon`: { name, what it is, a function (loading) that makes it }.
policy.FACE = {
  { "policy(name)", "the table of another policy, to build on", function(loading)
    return function(name)
      local loaded, err = policy.load(name, loading)
      if not loaded then error(err, 0) end
      return loaded.table
    end
  end },
  { "routes", "a list of the names of siphon's own routes", route_names },
  { "applies(route, facts)", "true, or false and the reason: whether that route would do",
    function() return ask_route(applies) end },
  { "cost(route, facts)", "{ copied, through_host }, bytes: what the route would write into the image, and what this "
    .. "host would read and write", function() return ask_route(cost_of) end },
  { "log(...)", "a line among the job's events (a note); of a decision that belongs to no job, on standard error",
    function(loading)
      return function(...)
        local words = table.pack(...)
        for i = 1, words.n do words[i] = tostring(words[i]) end
        loading.log(table.concat(words, " "))
      end
    end },
  { "http.request{...}", "an HTTP request, as siphon-lua(3) has it; in `before` and `after` only", http_of },
  { "error{...}", "an error object to raise: code, op, message, where, http, retryable, cause",
    function() return core.error end },
  { "version", "siphon's version", function() return core.version end },
}

local function face(loading)
  local members = {}
  for _, entry in ipairs(policy.FACE) do members[entry[1]:match "^%w+"] = entry[3](loading) end
  return setmetatable({}, {
    __index = function(_, key)
      if members[key] then return members[key] end
      error(("siphon.%s is not open to a policy"):format(tostring(key)), 2)
    end,
    __newindex = function(_, key) error(("siphon.%s cannot be set by a policy"):format(tostring(key)), 2) end,
    __metatable = false,
  })
end

-- What one policy and those that it loads share: the files under way (to refuse a circle), the chunks that
-- the bound counts as policy code, the modules, and where `siphon.log` goes.
local function new_loading(log)
  local loading = { under_way = {}, fenced = {}, modules = {} }
  loading.request = core.http.request
  loading.log = log or event.log
  local siphon, require_module = face(loading), module_loader(loading)
  function loading.environment()
    return fence.environment { siphon = siphon, require = require_module }
  end
  return loading
end

-- The first words of the header, the comment block at the top of the file that starts with "---".
local function summary_of(text)
  return text:match("^%-%-%-%s*([^\n]+)") or ""
end

--- Loads a policy by name or file: { name, path, summary, table, fenced, set_log }, or nil and an error of
-- code "policy.not_found", "policy.syntax", "policy.failed", "policy.limit" or "policy.invalid". `siphon.log`
-- in the policy calls `set_log`'s function, or event.log.
-- `loading` is for a policy that loads another one.
function policy.load(name, loading)
  loading = loading or new_loading()
  local text, path = find(name)
  if not text then return nil, path end
  if loading.under_way[path] then
    return nil, errors.new("policy.invalid", nil, ("policy '%s' loads itself"):format(name))
  end
  local chunk, err = fence.load(text, path, loading.environment())
  if not chunk then return nil, err end
  loading.under_way[path], loading.fenced["@" .. path] = true, true
  local value, failure = fence.call(loading.fenced, name, chunk)
  loading.under_way[path] = nil
  if failure then return nil, failure end
  local ok, invalid = check(name, path, value)
  if not ok then return nil, invalid end
  return {
    name = name, path = path, summary = summary_of(text), table = value, fenced = loading.fenced, loading = loading,
    set_log = function(log) loading.log = log end,
  }
end

--- Runs the policy's `before` or `after` on the job, where it has one: true or false for whether it has; raises what
-- goes wrong in it. Unlike `routes` it may wait, and use siphon.http.
function policy.call(loaded, which, job)
  local fn = loaded.table[which]
  if not fn then return false end
  local loading = loaded.loading
  loading.acting = true
  local ran, done, err = pcall(fence.act, loaded.fenced, loaded.name, function()
    fn(job_face.of(job, which == "after"))
    return true
  end)
  loading.acting = false
  if not ran then error(done, 0) end
  if not done then error(err, 0) end
  return true
end

-- The names in a directory; none when there is no such directory.
local function files_of(directory)
  local names, listing = {}, core.process.run { "ls", "-A", "--", directory }
  for name in (listing and listing.output or ""):gmatch "[^\n]+" do names[#names + 1] = name end
  return names
end

--- The policies on the path: a list of { name, path, summary }, by name; of two with one name the first on the path.
function policy.list()
  local list, seen = {}, {}
  for _, directory in ipairs(policy.path()) do
    for _, file in ipairs(files_of(directory)) do
      local name = file:match "^([^.].*)%.lua$"
      local text = name and not seen[name] and read_file(directory .. "/" .. file)
      if text then
        seen[name] = true
        list[#list + 1] = { name = name, path = directory .. "/" .. file, summary = summary_of(text) }
      end
    end
  end
  table.sort(list, function(a, b) return a.name < b.name end)
  return list
end

--- Asks a loaded policy for the routes to try: a list of names and a reason (both from the policy), or nil
-- and an error. An empty list is a refusal, and its reason says why. `known` is the list of route names that siphon
-- has; others are looked for on the policy path.
function policy.routes(loaded, facts, known)
  local function bad(message)
    return nil, errors.new("policy.invalid", nil, ("policy '%s' (%s): routes(facts) %s"):format(loaded.name,
      loaded.path, message))
  end
  local list, reason, third = fence.call(loaded.fenced, loaded.name, function()
    return loaded.table.routes(facts)
  end)
  if list == nil and errors.is(reason) and third == nil then return nil, reason end
  if type(list) ~= "table" then return bad("has to return a list of route names, not " .. type(list)) end
  if reason ~= nil and type(reason) ~= "string" then return bad("has to give its reason as a string") end
  local names = {}
  for i, name in ipairs(list) do
    if type(name) ~= "string" then return bad(("returned a %s in its list of routes"):format(type(name))) end
    names[i] = name
  end
  if next(list, #names > 0 and #names or nil) ~= nil then
    return bad("has to return a plain list of route names")
  end
  local by_name = {}
  for _, name in ipairs(known) do by_name[name] = true end
  for _, name in ipairs(names) do
    if not by_name[name] and not require("siphon.routes").is_known(name) then
      return bad(("names an unknown route '%s'%s"):format(name, nearest.hint(name, known)))
    end
  end
  return names, reason or "the policy gave no reason"
end

return policy
