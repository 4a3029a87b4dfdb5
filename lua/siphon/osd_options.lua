--- What can be asked of the route osd_copy: by the caller, in the request, and by a policy in its table `osd_copy`. The
-- caller comes first. What they mean: docs/osd-copy.md.

local lists = require "siphon.lists"
local nearest = require "siphon.nearest"

local osd_options = {}

--- Name, type and meaning of each.
osd_options.LIST = {
  { "verify", "string", "\"checksum\" (the default): the OSDs compute checksums of both sides; \"read\": this host "
    .. "reads both; \"none\"" },
  { "max_in_flight", "integer", "so many objects at once at most, 1 to 64; 32 unless told" },
  { "max_rate", "integer", "bytes a second at most; 0, the default: no bound" },
  { "adaptive", "boolean", "fewer objects at once while the cluster is busy; true unless told" },
  { "dense", "number", "an object with more zeroes than 1 - dense of it is squeezed; 0.95 unless told" },
  { "sparse", "number", "an object with data in at most this share of it is copied by this host; 0.125 unless told" },
  { "through_host", "boolean", "whether anything may be; true unless told" },
  { "patience", "number", "seconds for which a lost OSD is waited for; 300 unless told" },
}

--- Name and type of each.
osd_options.TYPES = {}
for _, entry in ipairs(osd_options.LIST) do osd_options.TYPES[entry[1]] = entry[2] end

--- Those that a caller may give.
osd_options.ASKED = { verify = "string", max_in_flight = "integer", max_rate = "integer" }

local VERIFY = { "none", "checksum", "read" }

local function is_share(value) return value >= 0 and value <= 1 end

local CHECKS = {
  verify = function(value)
    return lists.has(VERIFY, value),
      ("is none, checksum or read, not '%s'%s"):format(value, nearest.hint(value, VERIFY))
  end,
  max_in_flight = function(value) return value >= 1 and value <= 64, "is from 1 to 64 objects" end,
  max_rate = function(value) return value >= 0, "is a number of bytes a second" end,
  dense = function(value) return is_share(value), "is a share from 0 to 1" end,
  sparse = function(value) return is_share(value), "is a share from 0 to 1" end,
  patience = function(value) return value >= 0, "is a number of seconds" end,
}

local function has_type(value, wanted)
  if wanted == "integer" then return math.type(value) == "integer" end
  return type(value) == wanted
end

--- true, or nil, the name of the first option that is wrong and what is wrong with it. Of a table with more than these
-- options only these are looked at.
function osd_options.check(given)
  for _, key in ipairs(nearest.keys(osd_options.TYPES)) do
    local value = given[key]
    if value ~= nil then
      if not has_type(value, osd_options.TYPES[key]) then
        return nil, key, ("has to be of type %s, not %s"):format(osd_options.TYPES[key], type(value))
      end
      local ok, problem = true, nil
      if CHECKS[key] then ok, problem = CHECKS[key](value) end
      if not ok then return nil, key, problem end
    end
  end
  return true
end

return osd_options
