--- A copy as a Glance image: an RBD image named by the image's id in the pool of Glance's store, sealed by
-- the protected snapshot "snap", registered by its location. Read where Glance itself does the same:
-- glance_store/_drivers/rbd.py (add, get_size, delete) and glance/location.py.
--
-- Once Glance has accepted the location the RBD image is Glance's. From then on only Glance removes it, so
-- the undo of registering is to delete the Glance image, and if that fails the RBD image stays.
--
-- A route may also hand the bytes to Glance (see siphon.target.upload); then there is nothing to seal or to
-- register. It is the only way when Glance does not tell the pool of its images, or when that is out of reach:
-- `place` is nil then.

local core = require "siphon.core"
local errors = require "siphon.errors"
local hashes = require "siphon.hashes"
local place = require "siphon.target.place"
local record = require "siphon.target.record"
local specs = require "siphon.spec"
local stores = require "siphon.target.stores"
local upload = require "siphon.target.upload"

local SNAPSHOT = "snap" -- the name that Glance, Cinder and Nova expect

local Target = {}
Target.__index = Target
Target.kind = "glance"
Target.SNAPSHOT = SNAPSHOT

local glance = {}

local function new_uuid()
  local bytes = { core.system.random(16):byte(1, -1) }
  bytes[7] = bytes[7] & 0x0f | 0x40 -- version 4
  bytes[9] = bytes[9] & 0x3f | 0x80 -- variant of RFC 4122
  return ("%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x"):format(table.unpack(bytes))
end

function glance.open(connections, request)
  local client, err = connections:glance()
  if not client then return nil, err end
  local existing
  if request.existing_image then
    existing, err = record.find(client, request)
    if not existing then return nil, err end
    record.complete(request, existing)
  end
  local inherited
  inherited, err = record.inherit(connections, request)
  if not inherited then return nil, err end
  local store, problem = stores.choose(client, request, (connections.away or connections.home).fsid)
  if not store and not problem:is "glance.pool" then return nil, problem end
  local pool_problem = not store and problem.message or nil
  store = store or stores.unknown(request)
  local id = request.existing_image or request.image_id or new_uuid()
  local self = setmetatable({
    client = client, request = request, existing = existing, name = (existing or request.target).name,
    image_id = id, image_name = id, properties = inherited,
    store = store, stores = store.all, fsid = store.fsid, fsid_from = store.fsid_from,
    pool_name = store.pool, pool_from = store.pool_from, pool_problem = pool_problem,
  }, Target)
  if connections:knows(store.fsid) then
    local pool, failure = connections:pool(store.fsid, store.pool)
    if not pool then return nil, stores.explain_pool(failure, store) end
    self.place = place.new(pool, id)
  end
  return self
end

function Target:order() return self.store.order end
function Target:writable() if self.place then return self.place:writable() end return "no" end
function Target:quota() return self.place and self.place:quota() end
function Target:free() return self.place and self.place:free() end
function Target:erasure_coded() return self.place and self.place:erasure_coded() end

function Target:check(facts)
  if facts.source.size == 0 then
    local text = ("'%s' has 0 bytes: Glance refuses the location of an empty image"):format(facts.source.spec)
    return nil, errors.new("source.empty", nil, text, {
      where = { pool = facts.source.pool, image = facts.source.image },
    })
  end
  if self.request.image_id then
    local image, err = self.client:show(self.image_id)
    if image then
      return nil, errors.new("glance.conflict", "glance.create",
        ("there is a Glance image %s already: choose another --image-id"):format(self.image_id),
        { where = { image_id = self.image_id } })
    elseif not err:is("glance.not_found") then
      return nil, err
    end
  end
  if not self.place then return true end
  local vacant, err = self.place:is_vacant()
  -- Who may not even look into the pool can still upload; the routes that need more ask for `writable`.
  if not vacant and not err:is("EPERM", "EACCES") then return nil, err end
  return true
end

function Target:steps(route)
  local after = { "wait until the image is active", "compare the sizes" }
  if not route.uploads then
    after = {
      ("snapshot %s@%s, protected"):format(self.place and self.place:text() or self.image_id, SNAPSHOT),
      "compare the sizes",
      "register " .. self:location(),
      "wait until the image is active",
    }
  end
  for _, text in ipairs(record.later(self.request)) do after[#after + 1] = text end
  return { before = { record.text(self) }, after = after }
end

function Target:location()
  return specs.location(self.fsid, self.pool_name, self.image_id, SNAPSHOT)
end

--- The record, queued: see siphon.target.record.
function Target:prepare(job) record.prepare(self, job) end

--- Sends a body to Glance, which stores it: for the routes that are called so.
function Target:upload(job, body, what) upload.run(self, job, body, what) end

--- Takes and protects the snapshot that the location names; nothing is written to the image after it.
function Target:seal(job)
  if self.uploaded then return end
  job:step("target.seal", {
    detail = ("snapshot %s@%s, protected"):format(self.place:text(), SNAPSHOT),
    undo = { "remove_snapshot", self.place:data { snapshot = SNAPSHOT } },
    act = function(note)
      local image <close> = assert(self.place:open { read_only = false })
      note { snapshot_id = assert(image:snapshot_create(SNAPSHOT)) }
      assert(image:snapshot_protect(SNAPSHOT))
    end,
  })
end

--- The copy has the size of the source's snapshot, no parent, no metadata, and is sealed.
function Target:verify(job)
  if self.uploaded then return end
  job:step("target.verify", { detail = "sizes compared", again = true, act = function()
    self.place:expect_copy_of(job.snapshot, SNAPSHOT, job.parent)
    local image <close> = assert(self.place:open())
    if not image:snapshot_is_protected(SNAPSHOT) then
      local text = ("%s@%s is not protected"):format(self.place:text(), SNAPSHOT)
      errors.raise("verify.seal", "job.verify", text)
    end
  end })
end

local LOST_ANSWER = {
  "http.cut", "http.timeout", "http.protocol", "http.connect", "glance.server", "glance.not_json",
}

-- Registers the location in the way that this Glance and this user have; returns which that was.
local function register_location(self, job)
  local done, err = self.client:register_location(self.image_id, self:location(), job.hash)
  if not done and job.parent and err:is("glance.server", "glance.bad_request") then
    err = errors.explain(err, err.message .. "; a clone is read through the volume's pool, where Glance's own Ceph "
      .. "user needs the osd capability 'profile rbd-read-only'")
  end
  if not done and err:is(table.unpack(LOST_ANSWER)) then done = self.client:was_registered(self.image_id) end
  return done, err
end

local RETRIES, RETRY_WAIT = 3, 0.25 -- times; seconds before the first, doubled each time

-- The same, again while Glance or what stands before it is out of order. When it does not come to anything, an error
-- that leaves it open whether an attempt had its effect counts more than one that does not.
local function register_patiently(self, job)
  local doubtful
  for attempt = 0, RETRIES do
    local done, err = register_location(self, job)
    if done then return done end
    if not err:is(table.unpack(record.REFUSED)) then doubtful = err end
    if not err.retryable or attempt == RETRIES then return nil, doubtful or err end
    core.task.sleep(RETRY_WAIT * 2 ^ attempt)
  end
end

-- Waits until Glance calls the image active.
local function wait_active(self, registered)
  if registered.api == "post" then
    return self.client:wait_location(self.image_id, { request_id = registered.request_id })
  end
  return self.client:wait(self.image_id, { status = "active" })
end

--- Registers the location and waits until Glance calls the image active, with the right size; then what the record
-- still lacks.
function Target:register(job)
  if self.uploaded then return record.finish(self, job) end
  hashes.ensure(job)
  local registered = job:step("glance.register", {
    detail = "location registered",
    undo = record.undo(self),
    untouched = record.REFUSED,
    holds = { "glance.update", "target.create", "target.clone", "target.seal" },
    keep = true, again = true,
    found = function() return self.client:was_registered(self.image_id) end,
    act = function() return register_patiently(self, job) end,
  })
  job:step("glance.active", { detail = ("image %s is active"):format(self.image_id), again = true, act = function()
    local image = assert(wait_active(self, registered))
    if image.size ~= job.snapshot.size then
      local text = ("Glance counts %s bytes in the image, the source's snapshot has %d"):format(
        tostring(image.size), job.snapshot.size)
      errors.raise("verify.size", "job.register", text, { where = { image_id = self.image_id } })
    end
    if job.hash then hashes.compare(job.hash, image, "job.register") end
  end })
  record.finish(self, job)
end

function Target:result()
  return { image_id = self.image_id, location = self.place and not self.uploaded and self:location() or nil }
end

return glance
