--- What the data of a volume begins with. A guest writes what it likes to its disk, so a raw volume can begin with
-- the header of a disk format; whoever probes the image later takes it for that format, and its backing file for a
-- path to read (CVE-2024-32498). Glance looks into what is uploaded, but not into what a location points to: so
-- siphon looks itself.

local errors = require "siphon.errors"

local content = {}

local ENOUGH = 80 -- bytes: as far as the signatures below reach

-- { name, offset, bytes }; "vpc" is the dynamic kind, a fixed one has its mark at the end and begins as any disk
-- does.
local SIGNATURES = {
  { "qcow2", 0, "QFI\xfb" }, { "qed", 0, "QED\0" }, { "vmdk", 0, "KDMV" }, { "vmdk", 0, "COWD" },
  { "vmdk", 0, "# Disk Descriptor" }, { "vhdx", 0, "vhdxfile" }, { "vhd", 0, "conectix" },
  { "vdi", 64, "\x7f\x10\xda\xbe" }, { "parallels", 0, "WithoutFreeSpace" }, { "parallels", 0, "WithouFreSpacExt" },
  { "luks", 0, "LUKS\xba\xbe" }, { "rbd-luks", 0, "RBDL\xba\xbe" },
}

--- The format that the bytes are the beginning of, or nil.
function content.probe(bytes)
  for _, signature in ipairs(SIGNATURES) do
    local name, offset, mark = table.unpack(signature)
    if bytes:sub(offset + 1, offset + #mark) == mark then return name end
  end
end

local function begins_as(image, size)
  local length = math.min(ENOUGH, size)
  return length > 0 and content.probe(assert(image:read(0, length))) or nil
end

--- The format that the source begins as; nil for none, and when this user may not read it.
function content.of(source)
  if not source.info.readable then return nil end
  return begins_as(source.image, source.info.size)
end

local function refusal(facts, code, text)
  return nil, errors.new(code, "job.check", ("'%s' %s"):format(facts.source.spec, text), {
    where = { pool = facts.source.pool, image = facts.source.image },
  })
end

-- Whether what begins as `found` may be copied.
local function judge(request, facts, found)
  if not found or found == request.allow_format then return true end
  if found == "rbd-luks" then
    return refusal(facts, "source.encrypted", "is an encrypted clone, whose own data and its parent's have different "
      .. "keys: its bytes alone are of no use")
  elseif found == "luks" then
    if not request.allow_encrypted then
      return refusal(facts, "source.encrypted", "is encrypted (LUKS): --allow-encrypted copies its bytes as they are, "
        .. "and the image needs the key of the volume to be of use (--properties-from names it)")
    elseif request.disk_format ~= "raw" then
      return refusal(facts, "source.encrypted", ("is encrypted (LUKS): it can be a raw image, but not %s"):format(
        request.disk_format))
    end
    return true
  end
  return refusal(facts, "source.format", ("begins with the header of a %s image: whoever looks at the copy takes it "
    .. "for one. If that is what the volume is to hold, say --allow-format %s"):format(found, found))
end

--- Whether the source may be copied as the disk that it is: true, or nil and an error of code "source.format" or
-- "source.encrypted" that says how to have it all the same.
function content.check(request, facts)
  return judge(request, facts, facts.source.content)
end

--- The same of the snapshot that the job took: since the head was looked at, its guest may have written another
-- beginning, or the holder of its lock written down what was in its cache.
function content.check_snapshot(job)
  if job.source.snapshot then return true end -- which is what was looked at
  local image <close> = assert(job:open_source())
  return judge(job.request, job.facts, begins_as(image, job.snapshot.size))
end

return content
