--- The fence around a policy: the environment its code sees, and a bound on how long it may think.
--
-- Policies are the operator's own, trusted code. The fence turns accidents into clear errors (a misspelt
-- name, an endless loop, a file that is read in the middle of a decision); it is no wall against hostile
-- code, which plain Lua cannot offer. Bytecode is refused, since it can crash the interpreter.

local task = require("siphon.core").task

local errors = require "siphon.errors"
local nearest = require "siphon.nearest"

local fence = {}

--- Bounds of the policy's own code: a tenth of a second here, a real decision needs a few hundred. Memory in KiB; what
-- follows a decision runs beside the rest of siphon, whose memory is counted along.
fence.DECIDING = { instructions = 20000000, memory = 64 * 1024, doing = "decide" }
fence.ACTING = { instructions = 200000000, memory = 512 * 1024, doing = "end" }
local CHECK_EVERY = 10000     -- instructions between two looks

--- The global functions that a policy has.
fence.BASE = {
  "assert", "error", "ipairs", "next", "pairs", "pcall", "rawequal", "rawget", "rawlen", "rawset", "select",
  "setmetatable", "tonumber", "tostring", "type", "xpcall", "_VERSION",
}

--- The libraries that it has, with their members.
fence.LIBRARIES = {
  string = { "byte", "char", "find", "format", "gmatch", "gsub", "len", "lower", "match", "pack", "packsize",
    "rep", "reverse", "sub", "unpack", "upper" },
  table = { "concat", "insert", "move", "pack", "remove", "sort", "unpack" },
  math = { "abs", "ceil", "cos", "exp", "floor", "fmod", "huge", "log", "max", "maxinteger", "min",
    "mininteger", "modf", "pi", "random", "sin", "sqrt", "tointeger", "type", "ult" },
  utf8 = { "char", "charpattern", "codepoint", "codes", "len", "offset" },
  os = { "clock", "date", "difftime", "getenv", "time" },
}

local CLOSED = {
  io = true, debug = true, package = true, coroutine = true, dofile = true, loadfile = true, load = true,
  collectgarbage = true, print = true, warn = true,
}

-- A read-only view: what it lacks raises with its full name.
local function library(name, members, origin)
  local copy = {}
  for _, member in ipairs(members) do copy[member] = origin[member] end
  return setmetatable({}, {
    __index = function(_, key)
      local value = copy[key]
      if value == nil then
        local full = name .. "." .. tostring(key)
        local why = origin[key] ~= nil and " is not open to a policy" or " does not exist"
        error(full .. why .. nearest.hint(key, nearest.keys(copy)), 2)
      end
      return value
    end,
    __newindex = function(_, key)
      error(("%s.%s cannot be set by a policy"):format(name, tostring(key)), 2)
    end,
    __pairs = function() return next, copy, nil end,
    __metatable = false,
  })
end

-- Programs that `siphon run` starts may have replaced a global; a policy gets what Lua came with.
local function base()
  local env = {}
  for _, name in ipairs(fence.BASE) do env[name] = _G[name] end
  for name, members in pairs(fence.LIBRARIES) do env[name] = library(name, members, _G[name]) end
  env.getmetatable = function(value)
    if type(value) == "string" then return nil end
    return getmetatable(value)
  end
  return env
end

--- A fresh environment with the names in `extra` (siphon, require) added. Reading an undefined name raises
-- with that name; so does setting a global.
function fence.environment(extra)
  local env = base()
  for name, value in pairs(extra) do env[name] = value end
  env._G = nil
  local names = nearest.keys(env)
  return setmetatable({}, {
    __index = function(_, name)
      local value = env[name]
      if value ~= nil then return value end
      if CLOSED[name] then error(("'%s' is not open to a policy"):format(name), 2) end
      error(("undefined name '%s'%s"):format(tostring(name), nearest.hint(name, names)), 2)
    end,
    __newindex = function(_, name)
      error(("'%s' would become a global: write `local %s`"):format(tostring(name), tostring(name)), 2)
    end,
    __metatable = false,
  })
end

--- Loads the text of a policy file into the environment; nil and an error of code "policy.syntax" when it is
-- no Lua text.
function fence.load(text, path, env)
  if text:sub(1, 1) == "\27" then
    return nil, errors.new("policy.syntax", nil, path .. ": this is Lua bytecode; a policy has to be text")
  end
  local chunk, problem = load(text, "@" .. path, "t", env)
  if not chunk then return nil, errors.new("policy.syntax", nil, problem) end
  return chunk
end

-- Raises in the policy's code once its budget is gone. It asks which file is running, so that neither a pcall
-- in the policy nor siphon's own code around it can be hit by the wrong one: the first goes on raising at
-- every instruction, the second never.
local function watch(fenced, bounds)
  local spent, exceeded = 0, nil
  local memory = collectgarbage("count") + bounds.memory
  local function hook()
    if not fenced[debug.getinfo(2, "S").source] then return end
    if not exceeded then
      spent = spent + CHECK_EVERY
      if spent > bounds.instructions then
        exceeded = errors.new("policy.limit", nil, ("the policy did not %s within %d instructions: is there a loop "
          .. "without end?"):format(bounds.doing, bounds.instructions))
      elseif collectgarbage("count") > memory then
        exceeded = errors.new("policy.limit", nil, ("the policy took more than %d MiB of memory to %s"):format(
          bounds.memory // 1024, bounds.doing))
      end
      if exceeded then debug.sethook(hook, "", 1) end
    end
    if exceeded then error(exceeded, 0) end
  end
  return hook
end

-- A handler for xpcall around a policy's code: what it raised gets the policy's name in front; errors of siphon pass
-- as they are.
local function explain(name)
  return function(value)
    if errors.is(value) then return value end
    return errors.new("policy.failed", nil, ("policy '%s': %s"):format(name, tostring(value)),
      { traceback = debug.traceback(nil, 2) })
  end
end

local function call(bounds, fenced, name, fn, ...)
  local results = table.pack(task.scope(function(...)
    debug.sethook(watch(fenced, bounds), "", CHECK_EVERY)
    local results = table.pack(xpcall(fn, explain(name), ...))
    debug.sethook()
    return table.unpack(results, 1, results.n)
  end, ...))
  if results[1] then return table.unpack(results, 2, results.n) end
  local err = results[2]
  if err:is("cancelled") then error(err, 0) end
  if err:is("policy.limit") then
    err = errors.explain(err, ("policy '%s': %s"):format(name, err.message))
  end
  return nil, err
end

--- Calls fn(...) bounded; `fenced` is the set of chunk names ("@path") that count as policy code. Returns what fn
-- returns, or nil and an error: "policy.limit" for a bound, "policy.failed" for anything else that was raised.
-- It runs in a task of its own, since the hook that counts is a coroutine's, and the engine has one too.
function fence.call(fenced, name, fn, ...)
  return call(fence.DECIDING, fenced, name, fn, ...)
end

--- The same for `before` and `after`, which may wait and do more.
function fence.act(fenced, name, fn, ...)
  return call(fence.ACTING, fenced, name, fn, ...)
end

return fence
