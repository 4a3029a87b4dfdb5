--- The hashes of a copy, as Glance keeps them of an image's data: MD5 as `checksum`, and by --hash one of SHA-2 as
-- `os_hash_algo` and `os_hash_value`. A location is registered without any unless they are asked for, as Nova does with
-- its snapshots: it takes reading the volume.
--
-- Who reads anyway hashes on the way: the route `copy`, and the routes that upload (there Glance hashes too, and the
-- two are compared). Beside all others the snapshot is read for it, through this host.

local core = require "siphon.core"
local errors = require "siphon.errors"
local task = require "siphon.task"

local hashes = {}

--- What `--hash` takes.
hashes.ALGORITHMS = { "sha512", "sha256" }

--- What is computed where nobody chose: Glance's own default (hashing_algorithm).
hashes.DEFAULT = "sha512"

local function is_read_beside(route, algorithm)
  return algorithm ~= nil and not (route.hashes or route.uploads)
end

-- It has no effect that would have to be undone, and other steps run meanwhile: so it is none itself, and only tells of
-- itself as one. Its progress shows when there is no other (is_alone).
local function read(job, is_alone)
  local algorithm = job.request.hash
  job:emit_step("source.hash", "started", { detail = ("%s computed"):format(algorithm) })
  local began = core.task.now()
  local image <close> = assert(job:open_source())
  local meter = job:meter("source.hash", "hashing", { passes = 1 })
  local found = assert(image:digest(algorithm, { max_rate = job.request.max_rate, progress = function(done, total)
    if is_alone() then meter(done, total) end
  end }))
  job:count { through_host = found.read }
  job.hash = hashes.of(found)
  job:emit_step("source.hash", "done", { detail = ("%s computed"):format(algorithm),
    seconds = core.task.now() - began })
end

--- A digest of the core as Glance names its parts: { checksum, os_hash_algo, os_hash_value }.
function hashes.of(digest)
  return { checksum = digest.checksum, os_hash_algo = digest.algorithm, os_hash_value = digest.value }
end

--- Runs the route, and reads the snapshot for its hashes beside it where they were asked for and the route does not
-- compute them itself. They are in job.hash afterwards.
function hashes.run(job, route)
  job.hash = nil
  if not is_read_beside(route, job.request.hash) then return route.run(job) end
  local has_run = false
  task.gather {
    function()
      route.run(job)
      has_run = true
    end,
    function() read(job, function() return has_run end) end,
  }
end

--- Reads the snapshot now where the hashes were asked for and are not there: the route left them out, or another
-- process ran it.
function hashes.ensure(job)
  if job.request.hash and not job.hash then read(job, function() return true end) end
end

--- What it adds to the route's cost: bytes read here.
function hashes.cost(facts, route)
  return is_read_beside(route, facts.options.hash) and facts.source.allocated or 0
end

--- What it is for `siphon plan`: a text, or nil.
function hashes.text(facts, route)
  local algorithm = facts.options.hash
  if not algorithm or route.uploads then return nil end
  if route.hashes then return ("compute %s on the way"):format(algorithm) end
  return ("beside that, read the snapshot for its %s"):format(algorithm)
end

--- Raises unless Glance's record says the same. A record that has no hashes (yet) says nothing else.
function hashes.compare(hash, record, op)
  for _, name in ipairs { "checksum", "os_hash_value" } do
    local comparable = name == "checksum" or record.os_hash_algo == hash.os_hash_algo
    local theirs = record[name]
    if comparable and theirs and theirs ~= hash[name] then
      local text = ("Glance has the %s %s of the image, and what was read here has %s: the data was changed on its way")
        :format(name, theirs, hash[name])
      errors.raise("verify.hash", op, text, { where = { image_id = record.id } })
    end
  end
end

return hashes
