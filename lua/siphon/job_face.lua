--- A job as the `before` and `after` of a policy see it: what can be known, and the methods that are theirs to call.
-- The rest (connections, steps, the record) is closed, so that a policy cannot undo what siphon relies on.

local nearest = require "siphon.nearest"

local face = {}

local FIELDS = {
  id = function(job) return job.id end,
  source = function(job) return tostring(job.request.source) end,
  target = function(job) return tostring(job.request.target) end,
  facts = function(job) return job.facts end,
  route = function(job) return job.route end,
  image_id = function(job) return job.target:result().image_id end,
  location = function(job) return job.target:result().location end,
  hash = function(job)
    local hash = job.hash
    return hash and { checksum = hash.checksum, os_hash_algo = hash.os_hash_algo, os_hash_value = hash.os_hash_value }
  end,
  bytes = function(job)
    local copy = {}
    for key, value in pairs(job.bytes) do copy[key] = value end
    return copy
  end,
}

-- Only once the bytes are there.
local METHODS = { "seal", "verify", "register" }

--- The face of the job; after: whether the copy is there, and so the methods.
--
-- Fields: id, source, target (as given), facts, route, image_id and location (nil for an RBD target), hash { checksum,
-- os_hash_algo, os_hash_value } (nil: none was asked for), bytes { size, allocated, copied, through_host }. Methods for
-- `after`: seal(), verify(), register(), see siphon.job.
function face.of(job, after)
  local methods = {}
  for _, name in ipairs(METHODS) do
    methods[name] = function()
      if not after then error(("job:%s() is for `after`: there is no copy yet"):format(name), 2) end
      job[name](job)
    end
  end
  return setmetatable({}, {
    __index = function(_, key)
      if methods[key] then return methods[key] end
      if FIELDS[key] then return FIELDS[key](job) end
      local known = nearest.keys(FIELDS)
      table.move(METHODS, 1, #METHODS, #known + 1, known)
      error(("job.%s is not open to a policy%s"):format(tostring(key), nearest.hint(key, known)), 2)
    end,
    __newindex = function(_, key) error(("job.%s cannot be set by a policy"):format(tostring(key)), 2) end,
    __metatable = false,
  })
end

return face
