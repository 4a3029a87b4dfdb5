--- How the ends of a copy are written, on the command line and in Lua.
--
--   pool/[namespace/]image[@snapshot]    as the `rbd` command has it, but the pool is never left out
--   glance:NAME                          a Glance image by its name; everything behind the colon is the name
--   rbd://FSID/POOL/IMAGE/SNAPSHOT       a location as Glance stores it; each part percent-encoded, so this
--                                        also names an image that holds '/' or '@'
--
-- A parsed spec is plain data: { kind = "rbd", pool, namespace, image, snapshot, fsid } or
-- { kind = "glance", name }. tostring(spec) is the text again.

local errors = require "siphon.errors"

local spec = {}

local GLANCE_NAME_MAX = 255 -- characters; Glance's schema for images (api/v2/images.py)

local Spec = {}
Spec.__name = "siphon.Spec"

--- Python's urllib.parse.quote(text, ''): Glance compares the quoted prefix of a location with that of its
-- store, so every byte but letters, digits and "_.-~" is written %XX with capital digits.
function spec.quote(text)
  return (text:gsub("[^A-Za-z0-9_.~-]", function(c) return ("%%%02X"):format(c:byte()) end))
end

--- Python's urllib.parse.unquote: what is no escape stays as it is.
function spec.unquote(text)
  return (text:gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end))
end

--- rbd://fsid/pool/image/snapshot, the only form that Glance, Cinder and Nova all read. It cannot name a
-- namespace.
function spec.location(fsid, pool, image, snapshot)
  local quote = spec.quote
  return ("rbd://%s/%s/%s/%s"):format(quote(fsid), quote(pool), quote(image), quote(snapshot))
end

local function failure(text, message)
  return nil, errors.new("spec.syntax", nil, ("'%s': %s"):format(text, message))
end

--- The parts of an rbd:// location: { fsid, pool, image, snapshot }, or nil and an error of code
-- "spec.syntax". Glance's scheme is case-sensitive, and so is this.
function spec.parse_location(text)
  local path = text:match("^rbd://(.*)$")
  if not path then return failure(text, "not an rbd:// location") end
  local parts = {}
  for part in (path .. "/"):gmatch("([^/]*)/") do parts[#parts + 1] = spec.unquote(part) end
  local complete = #parts == 4
  for _, part in ipairs(parts) do complete = complete and part ~= "" end
  if not complete then
    return failure(text, "a location has four parts, rbd://FSID/POOL/IMAGE/SNAPSHOT, each percent-encoded")
  end
  return { fsid = parts[1], pool = parts[2], image = parts[3], snapshot = parts[4] }
end

function Spec:__tostring()
  if self.kind == "glance" then return "glance:" .. self.name end
  for _, key in ipairs { "pool", "namespace", "image", "snapshot" } do
    if self[key] and self[key]:find("[/@]") and self.fsid and self.snapshot then
      return spec.location(self.fsid, self.pool, self.image, self.snapshot)
    end
  end
  local namespace = self.namespace and self.namespace ~= "" and self.namespace .. "/" or ""
  return self.pool .. "/" .. namespace .. self.image .. (self.snapshot and "@" .. self.snapshot or "")
end

local function make(fields)
  return setmetatable(fields, Spec)
end

local function parse_glance(text, name)
  if name == "" then return failure(text, "the name of the Glance image is missing: glance:NAME") end
  local length = utf8.len(name)
  if not length then return failure(text, "the name of a Glance image has to be UTF-8") end
  if length > GLANCE_NAME_MAX then
    return failure(text, ("the name of a Glance image has at most %d characters, this one has %d")
      :format(GLANCE_NAME_MAX, length))
  end
  return make { kind = "glance", name = name }
end

local ODD_NAME = "; if the name itself holds '/' or '@', write rbd://FSID/POOL/IMAGE/SNAPSHOT with %2F or %40"

local function parse_rbd(text)
  local path, snapshot = text:match("^([^@]*)@(.*)$")
  path = path or text
  if snapshot == "" then return failure(text, "the snapshot's name is missing behind '@'") end
  if snapshot and snapshot:find("[/@]") then
    return failure(text, "a snapshot's name cannot hold '/' or '@'" .. ODD_NAME)
  end
  local parts = {}
  for part in (path .. "/"):gmatch("([^/]*)/") do parts[#parts + 1] = part end
  if #parts == 1 then return failure(text, "the pool is missing: write POOL/IMAGE, or glance:NAME") end
  if #parts > 3 then
    return failure(text, "too many '/': write POOL/[NAMESPACE/]IMAGE[@SNAPSHOT]" .. ODD_NAME)
  end
  for _, part in ipairs(parts) do
    if part == "" then return failure(text, "a part is empty: write POOL/[NAMESPACE/]IMAGE[@SNAPSHOT]") end
  end
  return make {
    kind = "rbd", pool = parts[1], namespace = #parts == 3 and parts[2] or nil, image = parts[#parts],
    snapshot = snapshot,
  }
end

--- Parses a spec; returns it, or nil and an error of code "spec.syntax" that says how to write it. A table
-- { pool =, namespace =, image =, snapshot = } or { glance = NAME } is taken as it is.
function spec.parse(text)
  if type(text) == "table" then return spec.from_table(text) end
  if type(text) ~= "string" then errors.misuse("siphon.spec", "a string expected, got " .. type(text)) end
  if text:find("%z") then return failure(text:gsub("%z", "\\0"), "a name cannot hold a zero byte") end
  local name = text:match("^glance:(.*)$")
  if name then return parse_glance(text, name) end
  if text:find("^rbd://") then
    local parts, err = spec.parse_location(text)
    if not parts then return nil, err end
    parts.kind = "rbd"
    return make(parts)
  end
  return parse_rbd(text)
end

local TABLE_KEYS = {
  kind = "string", pool = "string", namespace = "string", image = "string", snapshot = "string",
  fsid = "string", glance = "string", name = "string",
}

--- A spec from { pool =, namespace =, image =, snapshot = } or { glance = NAME }. Other types raise.
function spec.from_table(t)
  if getmetatable(t) == Spec then return t end
  errors.check_options("siphon.spec", t, TABLE_KEYS)
  local name = t.glance or (t.kind == "glance" and t.name)
  if name then return parse_glance("glance:" .. name, name) end
  if not (t.pool and t.image) then errors.misuse("siphon.spec", "pool and image, or glance, expected") end
  return make { kind = "rbd", pool = t.pool, namespace = t.namespace, image = t.image, snapshot = t.snapshot,
    fsid = t.fsid }
end

--- Whether two RBD specs name the same image (not looking at snapshots); clusters are compared by the caller.
function spec.same_image(a, b)
  return a.kind == "rbd" and b.kind == "rbd" and a.pool == b.pool and a.image == b.image
    and (a.namespace or "") == (b.namespace or "")
end

return spec
