--- The JSON schema of events, out of lua/siphon/event_kinds.lua.

local schema = {}

-- An object whose keys keep their order: a list of { key, value }.
local Object = {}

local function object(pairs_)
  return setmetatable(pairs_, Object)
end

local function quote(text)
  return '"' .. text:gsub('[\\"]', "\\%0") .. '"'
end

local function write(value, indent)
  local inner = indent .. "  "
  if getmetatable(value) == Object then
    local lines = {}
    for i, pair in ipairs(value) do lines[i] = inner .. quote(pair[1]) .. ": " .. write(pair[2], inner) end
    return #lines == 0 and "{}" or "{\n" .. table.concat(lines, ",\n") .. "\n" .. indent .. "}"
  elseif type(value) == "table" then
    local items = {}
    for i, item in ipairs(value) do items[i] = write(item, inner) end
    return "[" .. table.concat(items, ", ") .. "]"
  elseif type(value) == "string" then
    return quote(value)
  end
  return tostring(value)
end

local function reference(name)
  return { "$ref", "#/$defs/" .. name }
end

local function field_schema(kinds, field)
  local _, name, meaning = table.unpack(field)
  if field.is ~= nil then return object { { "const", field.is }, { "description", meaning } } end
  local known, item = kinds.TYPES[name], name:match "^%[(%w+)%]$"
  local described = { "description", known and known[2] and ("%s (%s)"):format(meaning, known[2]) or meaning }
  if item then
    return object { { "type", "array" }, { "items", object { reference(item) } }, described }
  elseif not known then
    if not field.null then return object { reference(name), described } end
    return object { { "oneOf", { object { reference(name) }, object { { "type", "null" } } } }, described }
  end
  local list = object { { "type", field.null and { known[1], "null" } or known[1] }, described }
  for _, key in ipairs { "minimum", "pattern" } do
    if known[key] then list[#list + 1] = { key, known[key] } end
  end
  return list
end

-- An object with these fields and no others. `given`: properties whose schema is known already.
local function object_schema(kinds, description, fields, given)
  local properties, required = given or object {}, {}
  for _, pair in ipairs(properties) do required[#required + 1] = pair[1] end
  for _, field in ipairs(fields) do
    properties[#properties + 1] = { field[1], field_schema(kinds, field) }
    if not field.optional then required[#required + 1] = field[1] end
  end
  return object {
    { "type", "object" }, { "description", description }, { "properties", properties }, { "required", required },
    { "additionalProperties", false },
  }
end

-- One event, or one state of it: its name, a title, and its fields.
local function event_schema(kinds, name, state, description, ...)
  local fields = {}
  for i = 2, #kinds.COMMON do fields[#fields + 1] = kinds.COMMON[i] end
  for _, field in ipairs(kinds.OF_NO_JOB[name] and {} or kinds.OF_A_JOB) do fields[#fields + 1] = field end
  for _, list in ipairs { ... } do
    for _, field in ipairs(list) do
      if not (state and field[1] == "state") then fields[#fields + 1] = field end
    end
  end
  local given = object { { "event", object { { "const", name } } } }
  if state then given[2] = { "state", object { { "const", state } } } end
  return object_schema(kinds, description, fields, given)
end

--- The schema as text. Each kind of event, and each state of a step, has a definition of its own.
function schema.text(kinds, version)
  local definitions, choices = object {}, {}
  local function define(name, definition)
    definitions[#definitions + 1] = { name, definition }
    choices[#choices + 1] = object { reference(name) }
  end
  for _, entry in ipairs(kinds.EVENTS) do
    local name, _, when, fields, states = table.unpack(entry)
    if not states then define(name, event_schema(kinds, name, nil, when, fields)) end
    for _, state in ipairs(states or {}) do
      define(name .. "." .. state[1], event_schema(kinds, name, state[1], state[2], fields, state[3]))
    end
  end
  for _, entry in ipairs(kinds.OBJECTS) do
    definitions[#definitions + 1] = { entry[1], object_schema(kinds, entry[2], entry[3]) }
  end
  return write(object {
    { "$schema", "https://json-schema.org/draft/2020-12/schema" }, { "title", "An event of siphon " .. version },
    { "oneOf", choices }, { "$defs", definitions },
  }, "") .. "\n"
end

return schema
