--- What was typed, as a function: an expression gives its values, a statement runs, and one that is not complete yet
-- is told from one that is wrong.

local chunk = {}

local NAME = "=input"

-- Lua says so when the end came where something else was needed. A short string ends with its line, all the same.
local function is_incomplete(message)
  return message:find "<eof>['\"]?$" ~= nil and not message:find "unfinished string"
end

--- The function of the text, which sees `env`; or nil, "incomplete" when more lines may make it right; or nil,
-- "wrong", message.
function chunk.compile(text, env)
  text = text:gsub("^%s*=", "", 1) -- "=x" printed x in older Luas
  local fn, unfinished = load("return " .. text, NAME, "t", env)
  if fn then return fn end
  local problem
  fn, problem = load(text, NAME, "t", env)
  if fn then return fn end
  if is_incomplete(unfinished) or is_incomplete(problem) then return nil, "incomplete" end
  return nil, "wrong", problem
end

--- Whether the text makes a local variable that ends with it, so that the next line would not see it.
function chunk.loses_local(text)
  return text:find "^%s*local%s+[%a_]" ~= nil and text:find "^%s*local%s+function" == nil and not text:find "[\n;]"
end

return chunk
