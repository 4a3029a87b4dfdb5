--- A job as the `before` and `after` of a policy see it: what can be known, and the methods that are theirs to call.
-- The rest (connections, steps, the record) is closed, so that a policy cannot undo what siphon relies on.

local nearest = require "siphon.nearest"

local face = {}

--- Its fields: { name, meaning, a function (job) that reads it }.
face.FIELDS = {
  { "id", "the job's id", function(job) return job.id end },
  { "source", "as given", function(job) return tostring(job.request.source) end },
  { "target", "as given", function(job) return tostring(job.request.target) end },
  { "facts", "the facts, see FACTS", function(job) return job.facts end },
  { "route", "the route that did it; nil in `before`", function(job) return job.route end },
  { "image_id", "the Glance image; nil for an RBD target", function(job) return job.target:result().image_id end },
  { "location", "its rbd:// location; nil for an RBD target", function(job) return job.target:result().location end },
  { "hash", "{ checksum, os_hash_algo, os_hash_value }; nil: none was asked for", function(job)
    local hash = job.hash
    return hash and { checksum = hash.checksum, os_hash_algo = hash.os_hash_algo, os_hash_value = hash.os_hash_value }
  end },
  { "bytes", "{ size, allocated, copied, through_host }, as far as they are known", function(job)
    local copy = {}
    for key, value in pairs(job.bytes) do copy[key] = value end
    return copy
  end },
}

local FIELDS = {}
for _, entry in ipairs(face.FIELDS) do FIELDS[entry[1]] = entry[3] end

--- Its methods, which are for `after` only: once the bytes are there. { name, meaning }
face.METHODS = {
  { "seal", "gives the copy the protected snapshot that Glance expects" },
  { "verify", "compares it with the source's snapshot: size, no parent left, no image-meta; raises where they differ" },
  { "register", "registers its location with Glance, returns when the image is active; gives an RBD target its name" },
}

local METHODS = {}
for i, entry in ipairs(face.METHODS) do METHODS[i] = entry[1] end

--- The face of the job; after: whether the copy is there, and so the methods.
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
