--- The cluster as a whole: can it be reached, what is it, does its manager take tasks.

local core = require "siphon.core"
local errors = require "siphon.errors"
local mgr = require "siphon.mgr"
local units = require "siphon.units"

local ceph = {}

local CONNECT_TIMEOUT, OP_TIMEOUT = 10, 15 -- seconds
local OLDEST = 15 -- Octopus: the oldest release that siphon was tried with a copy among OSDs
local NEARLY_FULL = 0.85 -- mon_osd_nearfull_ratio

local ADVICE = {
  ["rados.conf"] = "name the cluster with -c FILE or CEPH_CONF, and the user with --id",
  ["rados.auth"] = "see the user and its key: ceph auth get client.NAME, --id and --keyring",
  ["rados.unreachable"] = "see mon_host in the configuration file, the network, and whether the monitors run",
}

local function check_release(findings, cluster)
  local release, err = cluster:release()
  if not release then
    return findings:problem("ceph", "release", errors.line(err), "the user needs mon 'profile rbd'", err)
  end
  local text = ("monitors %s (%s), OSDs of release %s or later"):format(release.version, release.name, release.osd)
  if release.number < OLDEST then
    return findings:warn("ceph", "release", text, "a release before Octopus was not tried with siphon")
  end
  findings:ok("ceph", "release", text)
end

local function check_room(findings, cluster)
  local stat, err = cluster:stat()
  if not stat then return findings:warn("ceph", "room", errors.line(err), nil, err) end
  local text = ("%s of %s free"):format(units.bytes(stat.available), units.bytes(stat.size))
  if stat.size > 0 and stat.used / stat.size > NEARLY_FULL then
    return findings:warn("ceph", "room", text, "a copy that finds no room is undone; give the cluster more")
  end
  findings:ok("ceph", "room", text)
end

local function check_tasks(findings, cluster)
  if mgr.takes_tasks(cluster) then
    return findings:ok("ceph", "mgr tasks", "ceph-mgr flattens for this user: the route `instant`, --flatten mgr")
  end
  findings:warn("ceph", "mgr tasks", "ceph-mgr takes no tasks from this user: no `instant`, no --flatten mgr",
    "give it mgr 'profile rbd', and see that a manager is active with the module rbd_support (ceph mgr module ls)")
end

--- The connection, or nil.
function ceph.examine(findings, options)
  local cluster, err = core.rados.connect {
    conf = options.conf, cluster = options.cluster, id = options.id, name = options.name, keyring = options.keyring,
    timeout = CONNECT_TIMEOUT, op_timeout = OP_TIMEOUT,
  }
  if not cluster then
    findings:problem("ceph", "cluster", errors.line(err), ADVICE[err.code], err)
    return nil
  end
  findings:ok("ceph", "cluster", ("%s, as %s"):format(cluster.fsid, cluster.name))
  check_release(findings, cluster)
  check_room(findings, cluster)
  check_tasks(findings, cluster)
  return cluster
end

return ceph
