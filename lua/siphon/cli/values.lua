--- What the arguments and the values of options can be, for the completion of shells: a list of words, of files, or of
-- what the cluster has. Asked for within a bound, never an error, and nothing is written anywhere.

local values = {}

-- Seconds for each answer of the cluster; a shell waits with its user.
local PATIENCE = tonumber(os.getenv "SIPHON_PATIENCE") or 1

--- Stands for the names of files in the list of what a word can become; so does values.DIRECTORIES.
values.FILES, values.DIRECTORIES = ":files", ":directories"

local function words(text)
  return function()
    local list = {}
    for word in text:gmatch "%S+" do list[#list + 1] = word end
    return list
  end
end

local function files() return { values.FILES } end
local function directories() return { values.DIRECTORIES } end

-- The words for what the command line says of the cluster, without what was not said.
local function connection(given)
  local asked = {}
  for _, name in ipairs { "conf", "cluster", "id", "name", "keyring" } do asked[name] = given[name] end
  return asked
end

-- Calls fn(cluster) with a connection, if there can be one at once.
local function with_cluster(given, fn)
  local asked = connection(given)
  asked.timeout, asked.op_timeout = PATIENCE, PATIENCE
  local cluster <close> = require("siphon.core").rados.connect(asked)
  return cluster and fn(cluster) or {}
end

local function names_of(cluster)
  return require("siphon.repl.names").new { connections = { cluster = cluster } }
end

local function pools(given)
  return with_cluster(given, function(cluster) return names_of(cluster):pools() end)
end

local function specs(given, text)
  return with_cluster(given, function(cluster) return names_of(cluster):specs(text) end)
end

local function targets(given, text)
  local list = text:find "^glance:" and {} or specs(given, text)
  list[#list + 1] = "glance:"
  return list
end

-- Which jobs a command can be about.
local STATES = {
  resume = { abandoned = true, queued = true, failed = true },
  undo = { abandoned = true, queued = true, failed = true },
  cancel = { running = true, abandoned = true, queued = true },
}

local function jobs(given, _, command)
  -- The list opens a connection of its own, which is not as hasty as this one.
  return with_cluster(given, function()
    local task = require("siphon.core").task
    local asked = connection(given)
    asked.journal_pool, asked.all = given.journal_pool, not STATES[command]
    local list = task.timeout(PATIENCE, require("siphon.jobs").list, asked)
    local ids = {}
    for _, job in ipairs(list or {}) do
      if not STATES[command] or STATES[command][job.state] then
        ids[#ids + 1] = ("%s\t%s, %s -> %s"):format(job.id, job.state, job.source, job.target)
      end
    end
    return ids
  end)
end

local function policies()
  local list = {}
  for i, policy in ipairs(require("siphon.policy").list()) do
    list[i] = ("%s\t%s"):format(policy.name, policy.summary)
  end
  list[#list + 1] = values.FILES
  return list
end

local function routes()
  local routes_of = require "siphon.routes"
  return table.move(routes_of.names, 1, #routes_of.names, 1, {})
end

local function clouds()
  local list = require("siphon.clouds.files").clouds(setmetatable({}, { __index = function(_, name)
    return os.getenv(name)
  end }))
  return require("siphon.nearest").keys(list or {})
end

-- By the name under which argparse keeps what was given.
local BY_NAME = {
  source = specs, target = targets, job = jobs, jobs = jobs, policy = policies, route = routes,
  os_cloud = clouds, os_service_cloud = clouds, script = files, file = files, arg = files, directory = files,
  verify = words "checksum read none", disk_format = words "raw qcow2 vmdk vdi vhd vhdx",
  container_format = words "bare ovf ova docker compressed", hash = words "sha512 sha256",
  flatten = words "host mgr", allow_format = words "qcow2 qed vmdk vhdx vhd vdi parallels luks",
  visibility = words "private shared community public", os_interface = words "public internal admin",
  color = words "auto always never", cluster = words "ceph",
}

-- By what the help calls them, for every option that is not above.
local BY_KIND = { POOL = pools, FILE = files, DIR = directories, JOB = jobs }

--- values.of(element, given, text, command) -> list of strings
-- What `text` can become as the value of that element: { target, kind } as siphon.cli.complete has it. given: what the
-- command line says already. A word may have a description behind a tab.
function values.of(element, given, text, command)
  local fn = BY_NAME[element.target] or BY_KIND[element.kind]
  local ok, list = pcall(fn or words "", given, text, command)
  return ok and type(list) == "table" and list or {}
end

return values
