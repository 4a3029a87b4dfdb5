--- siphon, or another program, at a terminal, as a person uses it: see terminal.py beside this file for the steps.

local json = require "siphon.json"

local command = require "support.command"

local terminal = {}

--- Types the steps to `siphon ARGUMENTS`; returns { code, text, raw }, or raises with the screen when something that was
-- waited for did not come. options: env, program (instead of siphon).
function terminal.run(arguments, steps, options)
  local path = os.tmpname()
  local file <close> = assert(io.open(path, "w"))
  for _, step in ipairs(steps) do file:write(json.encode(step), "\n") end
  file:close()
  local words = { "env", "TERM=xterm" }
  for name, value in pairs(options and options.env or {}) do
    words[#words + 1] = command.quote(name .. "=" .. value)
  end
  for _, word in ipairs { "python3", "tests/support/terminal.py", options and options.program or command.program,
    table.unpack(arguments) } do
    words[#words + 1] = command.quote(word)
  end
  local pipe = assert(io.popen(table.concat(words, " ") .. " <" .. path))
  local result = assert(json.decode(pipe:read "a"))
  pipe:close()
  os.remove(path)
  if result.missing ~= json.null then
    error(("'%s' did not appear:\n%s"):format(result.missing, result.text), 2)
  end
  return result
end

return terminal
