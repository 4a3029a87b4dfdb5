--- What can be asked of the route osd_copy: by the caller, in the request, and by a policy in its table `osd_copy`. The
-- caller comes first. What they mean: docs/osd-copy.md.

local nearest = require "siphon.nearest"

local osd_options = {}

--- Name and type of each.
osd_options.TYPES = {
  verify = "string", max_in_flight = "integer", max_rate = "integer", adaptive = "boolean", dense = "number",
  sparse = "number", through_host = "boolean", patience = "number",
}

--- Those that a caller may give.
osd_options.ASKED = { verify = "string", max_in_flight = "integer", max_rate = "integer" }

local VERIFY = { "none", "checksum", "read" }

local function is_share(value) return value >= 0 and value <= 1 end

local CHECKS = {
  verify = function(value)
    for _, word in ipairs(VERIFY) do
      if value == word then return true end
    end
    return false, ("is none, checksum or read, not '%s'%s"):format(value, nearest.hint(value, VERIFY))
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
