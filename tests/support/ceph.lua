--- What the specs of siphon.rados and siphon.rbd share: connections, things that are cleaned up afterwards, and
-- the tools of Ceph, which share no code with siphon, to compare with.

local core = require "siphon.core"

local command = require "support.command"

local ceph = {}

local quote = command.quote

local MIB, BLOCK = 1 << 20, 4096

--- Runs a shell command; returns whether it succeeded, and what it printed on both outputs.
function ceph.try(line)
  local pipe <close> = assert(io.popen(("( %s ) 2>&1 </dev/null"):format(line)))
  local output = pipe:read "a"
  return pipe:close() == true, output
end

--- The same, for commands that have to succeed; returns the output without the last line feed.
function ceph.run(line)
  local ok, output = ceph.try(line)
  if not ok then error(("%s: %s"):format(line, output), 2) end
  return (output:gsub("\n$", ""))
end

--- Runs `ceph` as the cluster's admin.
function ceph.admin(line)
  return ceph.run(("env -u CEPH_ARGS ceph -c %s --id admin %s"):format(os.getenv "TESTBED_ADMIN_CONF", line))
end

--- Runs Lua code with `siphon.core` as `core` in a process of its own, with these environment variables changed
-- (false: unset); returns what it printed, and what came on stderr.
function ceph.lua(code, variables)
  local unset, set, err = "", "", os.tmpname()
  for name, value in pairs(variables or {}) do
    if value then set = ("%s %s=%s"):format(set, name, quote(value)) else unset = unset .. " -u " .. name end
  end
  local path = ("LUA_PATH=%s LUA_CPATH=%s LD_PRELOAD=%s"):format(quote(package.path), quote(package.cpath),
    quote(os.getenv "SIPHON_PRELOAD" or ""))
  local pipe <close> = assert(io.popen(("%s env%s%s lua5.4 -e %s 2>%s"):format(path, unset, set,
    quote("local core = require 'siphon.core'\n" .. code), err)))
  local output = pipe:read "a"
  local file <close> = assert(io.open(err))
  local noise = file:read "a"
  os.remove(err)
  return output, noise
end

local counter = 0

--- A name that nothing else has.
function ceph.name(prefix)
  counter = counter + 1
  return ("%s-%d-%d-%d"):format(prefix or "spec", core.system.pid(), os.time() % 100000, counter)
end

--- Bytes that look random, are the same for the same seed, and differ in every block of 4 KiB.
function ceph.noise(length, seed)
  seed = seed or 1
  local state, words = seed, {}
  for i = 1, BLOCK // 8 - 1 do
    state = state * 6364136223846793005 + 1442695040888963407
    words[i] = ("<i8"):pack(state)
  end
  local filling, blocks = table.concat(words), {}
  for i = 1, length // BLOCK + 1 do blocks[i] = ("<I4I4"):pack(seed & 0xffffffff, i) .. filling end
  return table.concat(blocks):sub(1, length)
end

--- The MD5 of what `rbd export` gives of `pool/[namespace/]image[@snapshot]`.
function ceph.md5(spec)
  return ceph.run(("rbd export --no-progress %s - | md5sum"):format(quote(spec))):match "^%x+"
end

--- Asserts that a primitive failed in the expected way, with one line as its message; returns the error.
function ceph.fails(code, value, err)
  local luassert = require "luassert"
  luassert.is_nil(value)
  luassert.equal("siphon.Error", getmetatable(err) and getmetatable(err).__name)
  luassert.equal(code, err.code, tostring(err))
  luassert.is_nil(tostring(err):find "\n")
  return err
end

--- Seconds that a call takes, then its results.
function ceph.timed(f, ...)
  local start = core.task.now()
  local results = table.pack(f(...))
  return core.task.now() - start, table.unpack(results, 1, results.n)
end

-- Removes an image with its snapshots, whatever state it is in; one with an id is in the trash by now.
local function remove_image(made)
  local pool = made.pool
  local image = core.rbd.open(pool, made.id and { id = made.id } or made.name, { read_only = false })
  if image then
    for _, snapshot in ipairs(image:snapshots() or {}) do
      if snapshot.namespace == "user" then
        image:snapshot_unprotect(snapshot.name)
        image:snapshot_remove(snapshot.name)
      end
    end
    image:close()
  end
  if made.id then return core.rbd.trash_remove(pool, made.id, { force = true }) end
  return core.rbd.remove(pool, made.name)
end

local Scratch = {}
Scratch.__index = Scratch

--- A connection (options as for connect) with pools and images that `clean` removes again.
function ceph.scratch(options)
  local cluster = assert(core.rados.connect(options))
  return setmetatable({ cluster = cluster, pools = {}, made = {}, undo = {} }, Scratch)
end

--- The pool of that name, opened once.
function Scratch:pool(name, namespace)
  local key = name .. "/" .. (namespace or "")
  self.pools[key] = self.pools[key] or assert(self.cluster:pool(name, { namespace = namespace }))
  return self.pools[key]
end

--- Something to do at the end; the last comes first.
function Scratch:at_end(f)
  self.undo[#self.undo + 1] = f
end

--- An image that is removed at the end. options: as for rbd.create, with size in bytes (default 16 MiB) and a
-- default of no object map; data = { [offset] = bytes }. Returns its name.
function Scratch:image(pool, options)
  options = options or {}
  local name, data = ceph.name "image", options.data
  local create = { size = 16 * MIB, features = { "layering", "exclusive-lock" } }
  for key, value in pairs(options) do create[key] = value end
  create.data = nil
  self:expect(pool, name)
  assert(core.rbd.create(pool, name, create))
  if data then
    local image <close> = assert(core.rbd.open(pool, name, { read_only = false }))
    for offset, bytes in pairs(data) do assert(image:write(offset, bytes)) end
  end
  return name
end

--- The image of that name, which the spec makes itself, is removed at the end, before those that came earlier.
function Scratch:expect(pool, name)
  self.made[#self.made + 1] = { pool = pool, name = name }
  return name
end

--- Says that the image of that name is in the trash, where it has only an id.
function Scratch:in_trash(name, id)
  for _, made in ipairs(self.made) do
    if made.name == name then made.id = id end
  end
end

--- A pool of its own, which is removed at the end; `more` goes to `ceph osd pool create`. Returns its name.
function Scratch:make_pool(more)
  local name = ceph.name "pool"
  ceph.admin(("osd pool create %s 8 8 %s"):format(name, more or ""))
  self:at_end(function()
    ceph.admin(("osd pool rm %s %s --yes-i-really-really-mean-it"):format(name, name))
  end)
  ceph.admin(("osd pool application enable %s rbd"):format(name))
  return name
end

--- A user with these capabilities (as for `ceph auth get-or-create`), removed at the end; returns its id and the
-- file of its keyring.
function Scratch:make_user(caps)
  local id, path = ceph.name "user", os.tmpname()
  ceph.admin(("auth get-or-create client.%s %s -o %s"):format(id, caps, path))
  self:at_end(function()
    ceph.admin(("auth rm client.%s"):format(id))
    os.remove(path)
  end)
  return id, path
end

--- Another connection, closed at the end.
function Scratch:connect(options)
  local cluster = assert(core.rados.connect(options))
  self:at_end(function() cluster:close() end)
  return cluster
end

--- Removes all images made so far.
function Scratch:clean_images()
  for _ = 1, #self.made do
    local made = table.remove(self.made)
    local ok, err = remove_image(made)
    if not ok and not err:is "ENOENT" then print("left behind:", made.pool.name, made.name, err) end
  end
end

function Scratch:clean()
  self:clean_images()
  for _, pool in pairs(self.pools) do pool:close() end
  for i = #self.undo, 1, -1 do self.undo[i]() end
  self.cluster:close()
end

return ceph
