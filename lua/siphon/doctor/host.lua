--- What siphon has on this host: its parts, its policies, what other formats need.

local core = require "siphon.core"
local errors = require "siphon.errors"
local policies = require "siphon.policy"
local qemu = require "siphon.qemu"

local host = {}

local function versions(findings)
  local ceph = core.rados.versions()
  findings:ok("host", "versions", ("siphon %s, %s, librados %s, librbd %s, libcurl %s"):format(core.version, _VERSION,
    ceph.rados, ceph.rbd, core.http.version()))
end

local function check_policies(findings)
  local broken, names = {}, {}
  for _, entry in ipairs(policies.list()) do
    local loaded, err = policies.load(entry.path)
    names[#names + 1] = entry.name
    if not loaded then broken[#broken + 1] = errors.line(err) end
  end
  local path = table.concat(policies.path(), ", ")
  if #broken > 0 then
    return findings:problem("host", "policies", table.concat(broken, "; "), "siphon policy check FILE says more")
  end
  if #names == 0 then
    return findings:problem("host", "policies", "there is none in " .. path, "install siphon anew")
  end
  findings:ok("host", "policies", ("%s; from %s"):format(table.concat(names, ", "), path))
end

local function check_qemu(findings)
  local path = qemu.path()
  if path then return findings:ok("host", "qemu-img", path .. ": other formats can be made") end
  findings:warn("host", "qemu-img", "not found: only raw images can be made",
    "apt-get install qemu-utils qemu-block-extra, if qcow2 and the like are wanted")
end

function host.examine(findings)
  versions(findings)
  check_policies(findings)
  check_qemu(findings)
end

return host
