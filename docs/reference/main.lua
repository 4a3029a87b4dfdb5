--- Makes the reference: `lua5.4 docs/reference/main.lua DIRECTORY` writes
--   lua/siphon/reference.lua   what help() of the REPL shows
--   man/siphon-lua.3           the manual page
--   man/siphon-events.7        every event, and
--   events.schema.json         its JSON schema, both out of lua/siphon/event_kinds.lua
--   man/siphon-policy.7        the reference of policies, out of the tables that siphon works with
--   meta/siphon.lua            the types, for LuaLS
-- below the directory; `--check` only says what has no description. Run from the top of the tree.

package.path = "docs/reference/?.lua;lua/?.lua;lua/?/init.lua;" .. package.path
local events, policy, read = require "events", require "policy", require "read"
local schema, write = require "schema", require "write"
local kinds = require "siphon.event_kinds"

local entries, missing = read.all()
for _, problem in ipairs(events.problems(kinds)) do missing[#missing + 1] = problem end
for _, problem in ipairs(policy.problems()) do missing[#missing + 1] = problem end
if #missing > 0 then
  io.stderr:write(table.concat(missing, "\n"), "\n")
  os.exit(1)
end
if arg[1] == "--check" then return end

local function put(name, text)
  local path = arg[1] .. "/" .. name
  assert(os.execute(("mkdir -p '%s'"):format(path:match "^(.*)/")))
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(text))
end

local version = io.open("core/include/siphon.h"):read("a"):match 'SIPHON_VERSION "([^"]+)"'
put("lua/siphon/reference.lua", write.module(entries))
put("man/siphon-lua.3", write.manual(entries, version))
put("man/siphon-events.7", events.manual(kinds, version))
put("man/siphon-policy.7", policy.manual(entries, version))
put("events.schema.json", schema.text(kinds, version))
put("meta/siphon.lua", write.meta(entries))
