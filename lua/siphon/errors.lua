--- Errors made and handled in Lua: one kind of object everywhere (see `siphon.error`), so that what the core,
-- the job and a policy report reads the same in Lua, in an event and on the terminal.

local core = require "siphon.core"
local nearest = require "siphon.nearest"

local errors = {}

--- A new error object. `fields` may add where, http, errno, retryable, cause.
function errors.new(code, op, message, fields)
  local err = {}
  for key, value in pairs(fields or {}) do err[key] = value end
  err.code, err.op, err.message = code, op, message
  return core.error(err)
end

--- Raises a new error object.
function errors.raise(code, op, message, fields)
  error(errors.new(code, op, message, fields), 0)
end

--- Raises for a caller's mistake (a wrong type, an unknown key): no user input leads here.
function errors.misuse(op, message)
  errors.raise("misuse", op, message)
end

--- Whether the value is an error object.
function errors.is(value)
  local metatable = type(value) == "table" and getmetatable(value)
  return metatable and metatable.__name == "siphon.Error" or false
end

--- Whether the value is an error object of one of these codes.
function errors.has_code(value, ...)
  return errors.is(value) and value:is(...)
end

--- A handler for xpcall: error objects pass as they are; anything else is a bug of ours or of a policy, and
-- becomes an error of code "lua.error" that carries the traceback.
function errors.handler(value)
  if errors.is(value) then return value end
  return errors.new("lua.error", nil, tostring(value), { traceback = debug.traceback(nil, 2) })
end

--- Another error of the same code and place that says more: `message` tells what was attempted or what to do.
function errors.explain(err, message)
  return errors.new(err.code, err.op, message, {
    where = err.where, http = err.http, errno = err.errno, retryable = err.retryable, cause = err,
  })
end

-- "volumes/ns/vm1@snap": the place of an error, as people write it.
local function place_of(where)
  local place = where.pool or ""
  for _, part in ipairs { { "namespace", "/" }, { "image", "/" }, { "snapshot", "@" }, { "object", "/" } } do
    local value = where[part[1]]
    if value and value ~= "" then place = place .. part[2] .. value end
  end
  return place ~= "" and place or where.image_id or where.url
end

--- One line for people: the place, unless the message names it, the message, and the code.
function errors.line(err)
  local where = err.where or {}
  local place = place_of(where)
  local named = place and err.message:find(where.image or where.image_id or where.pool or where.url, 1, true)
  local text = (place and not named and place .. ": " or "") .. err.message
  return (("%s (%s)"):format(text, err.code):gsub("[\r\n]+", " "))
end

--- Plain data for an event or a record: code, op, message, errno, where, http, retryable, cause.
function errors.plain(err)
  if not errors.is(err) then return { code = "lua.error", message = tostring(err), retryable = false } end
  local plain = {
    code = err.code, op = err.op, message = err.message, errno = err.errno, retryable = err.retryable,
  }
  if err.where and next(err.where) then plain.where = err.where end
  if err.http then plain.http = { status = err.http.status, request_id = err.http.request_id } end
  if err.cause then plain.cause = errors.plain(err.cause) end
  return plain
end

--- Checks a table of named options: `known` maps each key to its type's name, or to a list of such names
-- ("any" takes all). An unknown key raises and names the nearest, a wrong type raises and names both.
function errors.check_options(op, options, known)
  if type(options) ~= "table" then
    errors.misuse(op, "a table of options expected, got " .. type(options))
  end
  for key, value in pairs(options) do
    local expected = known[key]
    if not expected then
      local hint = nearest.hint(key, nearest.keys(known))
      errors.misuse(op, ("unknown option '%s'%s"):format(tostring(key), hint))
    end
    local actual = math.type(value) == "integer" and "integer" or type(value)
    local fits = false
    for name in (" " .. expected):gmatch("[%a]+") do
      fits = fits or name == "any" or name == actual or (name == "number" and actual == "integer")
    end
    if not fits then
      errors.misuse(op, ("option '%s': %s expected, got %s"):format(key, expected, actual))
    end
  end
  return options
end

return errors
