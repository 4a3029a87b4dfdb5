--- The testbed as the specs see it: volumes with known contents, what the cluster holds, Glance, and the tools of Ceph
-- as an oracle that shares no code with siphon. Needs the variables of `testbed env`.

local core = require "siphon.core"

local ceph = require "support.ceph"
local command = require "support.command"

local bed = {}

bed.name, bed.md5 = ceph.name, ceph.md5

bed.url = os.getenv "TESTBED_GLANCE_URL"
bed.directory = os.getenv "TESTBED_DIR"

--- Whether there is a bed to run on.
function bed.is_up()
  return bed.directory ~= nil and os.getenv "CEPH_CONF" ~= nil
end

--- Runs a Ceph tool as the cluster's admin; returns what it prints.
function bed.admin(line)
  return command.shell(("tests/testbed/testbed admin --dir %s %s"):format(bed.directory, line))
end

--- A connection as the specs' user, opened once.
function bed.cluster()
  bed.connection = bed.connection or assert(core.rados.connect { timeout = 30 })
  return bed.connection
end

function bed.pool(name, namespace)
  return assert(bed.cluster():pool(name, { namespace = namespace }))
end

--- Gives Glance's own Ceph user these rights; the default is what `testbed up` gives it.
function bed.let_glance_read(osd)
  bed.admin(("ceph auth caps client.glance mon 'profile rbd' osd '%s'"):format(osd or "profile rbd pool=images"))
  command.shell(("tests/testbed/testbed glance --dir %s"):format(bed.directory))
end

--- What an image that leans on the volume's pool needs of it.
bed.GLANCE_READS_VOLUMES = "profile rbd pool=images, profile rbd-read-only pool=volumes"

local MIB = 1 << 20

--- Makes a volume: options size (MiB, default 32), data = { { offset in MiB, length in MiB }, ... } (default: three
-- pieces with holes between), features, order, namespace; returns its spec and its name.
function bed.volume(options)
  options = options or {}
  local pool_name = options.pool or "volumes"
  local pool, name = bed.pool(pool_name, options.namespace), options.name or bed.name "volume"
  assert(core.rbd.create(pool, name, {
    size = (options.size or 32) * MIB, order = options.order,
    features = options.features or { "layering", "exclusive-lock", "object-map", "fast-diff", "deep-flatten" },
  }))
  local image <close> = assert(core.rbd.open(pool, name, { read_only = false }))
  for i, piece in ipairs(options.data or { { 0, 4 }, { 9, 1 }, { 30, 2 } }) do
    assert(image:write(piece[1] * MIB, ceph.noise(piece[2] * MIB, i)))
  end
  local namespace = options.namespace and options.namespace .. "/" or ""
  return ("%s/%s%s"):format(pool_name, namespace, name), name
end

--- Removes an image with all of its snapshots, if it is there.
function bed.remove(spec)
  spec = command.quote(spec)
  command.shell(("snapshots=$(rbd snap ls %s --format json 2>/dev/null) || exit 0; "
    .. "for s in $(echo \"$snapshots\" | jq -r '.[].name'); do "
    .. "rbd snap unprotect %s@$s 2>/dev/null; rbd snap rm --no-progress %s@$s; done; "
    .. "rbd rm --no-progress %s"):format(spec, spec, spec, spec))
end

--- The MD5 of a Glance image as Glance gives it to its users.
function bed.glance_md5(id)
  return (command.shell(("curl -sSf %s/v2/images/%s/file | md5sum"):format(bed.url, id)):match "^%x+")
end

--- The record of a Glance image, or nil.
function bed.glance_image(id)
  local body = command.shell(("curl -sS %s/v2/images/%s"):format(bed.url, id))
  local record = require("siphon.json").decode(body)
  return type(record) == "table" and record.id and record or nil
end

--- The records of the Glance images of that name.
function bed.glance_images(name)
  local query = name:gsub("[^%w]", function(c) return ("%%%02X"):format(c:byte()) end)
  local body = command.shell(("curl -sSf '%s/v2/images?name=%s'"):format(bed.url, query))
  return require("siphon.json").decode(body).images
end

function bed.delete_glance_image(id)
  command.shell(("curl -sS -X DELETE %s/v2/images/%s"):format(bed.url, id))
end

--- A JSON answer of the `rbd` tool, which prints nothing at all for some empty lists.
function bed.rbd(line)
  local text = command.shell("rbd --format json " .. line)
  return text:find "%S" and require("siphon.json").decode(text) or {}
end

--- Everything that the bed holds, as one text: see tests/support/inventory.sh.
function bed.inventory()
  return command.shell "tests/support/inventory.sh"
end

-- Objects that librbd makes once in a pool, and keeps.
local KEPT = {
  rbd_directory = true, rbd_info = true, rbd_children = true, rbd_trash = true, rbd_task = true,
  rbd_namespace = true, rbd_mirroring = true, rbd_group_directory = true,
  ["siphon.jobs"] = true, -- the history of jobs; a job that is not done has an object of its own
}

--- The same of what a copy can leave behind: every object outside of namespaces, and Glance's images. Within this
-- process, so that a spec can afford it after each test.
function bed.holdings()
  bed.admin_connection = bed.admin_connection
    or assert(core.rados.connect { conf = os.getenv "TESTBED_ADMIN_CONF", name = "client.admin" })
  local lines = {}
  for _, entry in ipairs(assert(bed.admin_connection:pools())) do
    local pool <close> = assert(bed.admin_connection:pool(entry.name))
    for _, object in ipairs(assert(pool:objects())) do
      -- RADOS also lists objects of which only clones are left until the OSDs have trimmed them.
      if not KEPT[object] and pool:object_stat(object) then lines[#lines + 1] = ("%s %s"):format(entry.name, object) end
    end
  end
  local images = assert(core.http.request { url = bed.url .. "/v2/images?limit=1000" })
  for id in images.body:gmatch '"id": "([^"]+)"' do lines[#lines + 1] = "glance image " .. id end
  table.sort(lines)
  return table.concat(lines, "\n")
end

local PATIENCE = 60 -- seconds: what Glance and ceph-mgr clean up takes them a moment

local function differences(before, now)
  local was, is, lines = {}, {}, {}
  for line in before:gmatch "[^\n]+" do was[line] = true end
  for line in now:gmatch "[^\n]+" do
    is[line] = true
    if not was[line] then lines[#lines + 1] = "+ " .. line end
  end
  for line in before:gmatch "[^\n]+" do
    if not is[line] then lines[#lines + 1] = "- " .. line end
  end
  return lines
end

--- Raises with the lines that differ unless the bed holds what it held `before`; `look` tells what it holds (default:
-- bed.inventory), and is called again for a while.
function bed.assert_unchanged(before, look, context)
  look = look or bed.inventory
  local deadline = core.task.now() + PATIENCE
  local lines = differences(before, look())
  while #lines > 0 and core.task.now() < deadline do
    core.task.sleep(0.5)
    lines = differences(before, look())
  end
  if #lines == 0 then return end
  error(("%sthe bed does not hold what it held before:\n%s"):format(context and context .. ": " or "",
    table.concat(lines, "\n", 1, math.min(#lines, 20))), 2)
end

return bed
