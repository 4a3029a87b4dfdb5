--- qemu-img: reads a volume at its snapshot straight from the cluster, and writes an image of another format into a
-- scratch directory. Debian has it in qemu-utils, and what reads RBD in qemu-block-extra.

local core = require "siphon.core"
local errors = require "siphon.errors"

local qemu = {}

local MIB = 1 << 20

-- By Glance's name of the format: qemu's name; options that every image gets (before the caller's own); whether it
-- can be compressed; the bytes that it allocates at once.
local FORMATS = {
  qcow2 = { driver = "qcow2", options = "compat=1.1", compress = true, cluster = 64 << 10 },
  vmdk = { driver = "vmdk", cluster = 64 << 10 },
  vdi = { driver = "vdi", cluster = MIB },
  -- Without force_size the disk grows to a whole number of cylinders.
  vhd = { driver = "vpc", options = "subformat=dynamic,force_size=on", cluster = 2 * MIB },
  vhdx = { driver = "vhdx", options = "subformat=dynamic", cluster = 32 * MIB },
}

--- The formats that can be made, for people.
qemu.FORMATS = "qcow2, vmdk, vdi, vhd or vhdx"

function qemu.makes(format) return FORMATS[format] ~= nil end
function qemu.compresses(format) return FORMATS[format] ~= nil and FORMATS[format].compress or false end

--- The path of qemu-img, or nil.
function qemu.path()
  for directory in (os.getenv "PATH" or ""):gmatch "[^:]+" do
    local file = io.open(directory .. "/qemu-img", "rb")
    if file then
      file:close()
      return directory .. "/qemu-img"
    end
  end
end

--- Where scratch files go.
function qemu.scratch(request)
  local temporary = os.getenv "TMPDIR"
  return request.scratch or (temporary ~= "" and temporary) or "/var/tmp"
end

--- Bytes that an image of that format may take: each run of data is rounded up to what the format allocates at once,
-- and to that come its tables.
function qemu.room(format, source)
  local cluster = FORMATS[format].cluster
  local data = source.allocated * math.max(1, cluster // source.object_size)
  return math.min(data, source.size + cluster) + source.size // 512 + 8 * MIB
end

-- A part of an rbd: URL. qemu ends a part at ':', '/', '@' and '='.
local function escape(text)
  return (text:gsub("[:/@=\\]", "\\%0"))
end

--- The URL of a snapshot for qemu, with all that it takes to find the same cluster as the same user. No secret is in
-- it.
function qemu.url(pool, image, snapshot, conf)
  local cluster = pool.cluster
  local url = ("rbd:%s/%s/%s@%s:id=%s"):format(escape(pool.name), escape(pool.namespace or ""), escape(image),
    escape(snapshot), escape(cluster.id))
  if conf then url = url .. ":conf=" .. escape(conf) end
  for _, name in ipairs { "mon_host", "keyring" } do
    local value = cluster:setting(name)
    if value and value ~= "" then url = url .. (":%s=%s"):format(name, escape(value)) end
  end
  return url
end

-- What qemu-img complains of, in one line and without its own name.
local function complaint(result)
  if result.signal then return ("ended by signal %d"):format(result.signal) end
  local line = result.errors:match "[^\n]+" or ("ended with code %d"):format(result.code)
  return (line:gsub("^qemu%-img: ", ""):gsub("rbd:[^ ]*", "the volume"))
end

--- Converts the snapshot at the URL, which is raw whatever its first bytes say, into the file. options: format,
-- compress, format_options ("cluster_size=2M,..."), progress. Cancelling stops qemu-img.
function qemu.convert(url, file, options)
  local format = FORMATS[options.format]
  local command = { "qemu-img", "convert", "-p", "-f", "raw", "-O", format.driver }
  if options.compress then command[#command + 1] = "-c" end
  for _, text in ipairs { format.options or "", options.format_options or "" } do
    if text ~= "" then
      command[#command + 1] = "-o"
      command[#command + 1] = text
    end
  end
  command[#command + 1] = url
  command[#command + 1] = file
  local result, err = core.process.run(command, { progress = options.progress })
  if not result then return nil, err end
  if result.code == 0 then return true end
  local text = complaint(result)
  local code = text:find "No space left" and "ENOSPC" or "qemu.failed"
  if text:find "Unknown protocol 'rbd'" or text:find "Failed to load module" then
    text = text .. "; Debian has what reads RBD in the package qemu-block-extra"
  end
  return nil, errors.new(code, "qemu.convert", "qemu-img: " .. text)
end

return qemu
