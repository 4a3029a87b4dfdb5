--- Route `convert`: qemu-img reads the snapshot from the cluster and writes a qcow2, vmdk, vdi, vhd or vhdx file
-- into a scratch directory on this host, which is then uploaded. The file is readable by nobody else, and gone at
-- the end.

local conditions = require "siphon.routes.conditions"
local core = require "siphon.core"
local qemu = require "siphon.qemu"
local replay = require "siphon.replay"
local units = require "siphon.units"

local function check_format(facts)
  local format = facts.image.disk_format
  if format == "raw" then return false, "a raw image needs no conversion" end
  if not qemu.makes(format) then
    return false, ("it makes %s images, not %s"):format(qemu.FORMATS, format), "glance.unsupported"
  end
  if facts.options.compress and not qemu.compresses(format) then
    return false, "only qcow2 images can be compressed", "usage"
  end
  return true
end

-- qemu-img stops half-way on a full disk, which everybody on this host would notice.
local function check_room(facts)
  local host = facts.host
  if not host.qemu_img then
    return false, "qemu-img is not installed on this host (Debian: qemu-utils and qemu-block-extra)", "ENOENT"
  end
  if not host.scratch_free then
    return false, ("the scratch directory %s is not there: name another with --scratch"):format(host.scratch), "ENOENT"
  end
  local room = qemu.room(facts.image.disk_format, facts.source)
  if room <= host.scratch_free then return true end
  return false, ("up to %s will be written to %s, which has %s left: name another directory with --scratch"):format(
    units.bytes(room), host.scratch, units.bytes(host.scratch_free)), "ENOSPC"
end

-- A directory that only this user may enter: the file holds what the volume does.
local function make_directory(path)
  local result, err = core.process.run { "mkdir", "-m", "700", "--", path }
  if not result then return nil, err end
  if result.code == 0 then return true end
  return nil, core.error { code = "EACCES", op = "job.scratch", message = (result.errors:gsub("\n.*", "")) }
end

-- Nil when there is no such file.
local function size_of(path)
  local file <close> = io.open(path, "rb")
  return file and file:seek "end"
end

return {
  summary = "qemu-img converts the snapshot into a scratch file, which is uploaded",

  unsuitable = {},

  uploads = true,

  throttled = true,

  applies = function(facts)
    local applies, reason, code = conditions.check(facts, "to_glance")
    if applies then applies, reason, code = check_format(facts) end
    if applies then applies, reason, code = check_room(facts) end
    return applies, reason, code
  end,

  -- Read from the cluster, sent to Glance; what compression or zeroes save is not known before.
  cost = function(facts)
    return { copied = facts.source.allocated, through_host = 2 * facts.source.allocated }
  end,

  steps = function(facts)
    local compressed = facts.options.compress and ", compressed" or ""
    return { ("write a %s file%s below %s"):format(facts.image.disk_format, compressed, facts.host.scratch),
      "send the file to Glance" }
  end,

  run = function(job)
    local request = job.request
    local format = request.disk_format
    local directory = ("%s/siphon-%s"):format(job.facts.host.scratch, job.id)
    local path = ("%s/image.%s"):format(directory, format)
    local size = job:step("scratch.convert", {
      detail = ("converted to %s"):format(format),
      undo = { "remove_scratch", { directory = directory, path = path, host = core.system.hostname() } },
      keep = true,
      still = function(data)
        return replay.has_done(job, "glance.upload") or data.host == core.system.hostname() and size_of(path) ~= nil
      end,
      act = function()
        assert(make_directory(directory))
        local pool = job.source.pool
        local url = qemu.url(pool, job.source.info.name, job.snapshot.name, request.conf)
        local meter = job:meter("scratch.convert", "converting", { size = job.snapshot.size, passes = 1 })
        assert(qemu.convert(url, path, {
          format = format, compress = request.compress, format_options = request.format_options, progress = meter,
        }))
        job:count { through_host = job.facts.source.allocated }
        return assert(size_of(path))
      end,
    })
    job.target:upload(job, { file = path }, { size = size, counted = true })
    job:release "scratch.convert"
  end,
}
