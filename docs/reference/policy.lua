--- siphon-policy(7), out of the tables that siphon itself works with: facts, the policy's table, its environment, the
-- job, the routes, the sample situations; and of the comments in siphon.testing.
--
-- They are modules that need the core when they act, not when they are read: here it has no part in it.

local nothing = setmetatable({}, { __index = function(self) return self end })
package.preload["siphon.core"] = function() return nothing end

local roff = require "roff"

local facts = require "siphon.facts"
local fence = require "siphon.fence"
local job_face = require "siphon.job_face"
local osd_options = require "siphon.osd_options"
local policies = require "siphon.policy"
local routes = require "siphon.routes"
local situations = require "siphon.situations"

local policy = {}

-- --- what is missing --------------------------------------------------------------------------------------

--- Error codes that the code gives and policy.ERRORS does not have, and the reverse: a list of texts.
function policy.problems()
  local known, seen, list = {}, {}, {}
  for _, entry in ipairs(policies.ERRORS) do known[entry[1]] = true end
  local pipe <close> = assert(io.popen [[grep -rnoE 'errors\.(new|raise)\("policy\.[a-z_]+' lua/siphon]])
  for line in pipe:lines() do
    local code = line:match "policy%.[%l_]+$"
    seen[code] = true
    if not known[code] then list[#list + 1] = line .. ": policy.ERRORS does not have it" end
  end
  local text <close> = assert(io.open "lua/siphon/plan.lua")
  seen["policy.no_route"] = text:read("a"):find('"policy.no_route"', 1, true) ~= nil
  for code in pairs(known) do
    if not seen[code] then list[#list + 1] = ("lua/siphon/policy.lua: nothing gives the error %s"):format(code) end
  end
  table.sort(list)
  return list
end

-- --- the page ---------------------------------------------------------------------------------------------

local function item(term, text)
  return (".TP\n.B %s\n%s\n"):format(roff.text(term), roff.text(text))
end

local function facts_text()
  local out, former = {}, nil
  for _, entry in ipairs(facts.list()) do
    local section, name = entry[1]:match "^(%w+)%.(.*)$"
    if section and section ~= former then
      out[#out + 1] = (".SS facts.%s\n"):format(section)
      former = section
    end
    out[#out + 1] = item(name or entry[1], ("%s (%s)"):format(entry[2], entry[3]))
  end
  out[#out + 1] = (".SS facts.options\nWhat was asked for, by its name in\n.BR siphon\\-lua (3);\nnil where it "
    .. "was not: %s.\n"):format(roff.text(table.concat(facts.OPTIONS, ", ")))
  return table.concat(out)
end

local function environment_text()
  local out = { item("Lua's own", table.concat(fence.BASE, ", ") .. ", getmetatable") }
  local names = {}
  for name in pairs(fence.LIBRARIES) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do out[#out + 1] = item(name, table.concat(fence.LIBRARIES[name], ", ")) end
  out[#out + 1] = item("require", "of another Lua file on the policy path, in the same fence")
  for _, entry in ipairs(policies.FACE) do out[#out + 1] = item("siphon." .. entry[1], entry[2]) end
  local function bounds(name, limits)
    return ("%s has %d million instructions and %d MiB"):format(name, limits.instructions // 1000000,
      limits.memory // 1024)
  end
  out[#out + 1] = (".PP\n%s; %s. What exceeds them is stopped.\n"):format(roff.text(bounds("routes", fence.DECIDING)),
    roff.text(bounds("before or after", fence.ACTING)))
  return table.concat(out)
end

local function job_text()
  local out = {}
  for _, entry in ipairs(job_face.FIELDS) do out[#out + 1] = item("job." .. entry[1], entry[2]) end
  for _, entry in ipairs(job_face.METHODS) do out[#out + 1] = item("job:" .. entry[1] .. "()", entry[2]) end
  return table.concat(out)
end

local function list_text(list, of)
  local out = {}
  for i, entry in ipairs(list) do out[i] = item(of(entry)) end
  return table.concat(out)
end

local function testing_text(entries)
  local out = {}
  for _, entry in ipairs(entries) do
    if entry.module == "siphon.testing" and entry.kind ~= "module" then
      out[#out + 1] = (".TP\n.B %s\n%s\n"):format(roff.text(entry.signature), roff.lines(entry.lines))
    end
  end
  return table.concat(out)
end

local function situations_text()
  local out = {}
  for i, entry in ipairs(situations.LIST) do out[i] = (".IP %d. 4\n%s\n"):format(i, roff.text(entry[1])) end
  return table.concat(out)
end

local TEXT = [[
.TH SIPHON-POLICY 7 "" "siphon @VERSION@" "siphon"
.SH NAME
siphon-policy \- what a policy may hold, see and do
.SH SYNOPSIS
.nf
\-\-\- What it is good for, in a line, which `siphon policies` shows.
return {
  routes = function(facts)
    if facts.source.size > 500 << 30 then return { "clone_flatten" }, "large" end
    return { "osd_copy", "copy" }, "small enough to copy"
  end,
}
.fi
.SH DESCRIPTION
A policy is a Lua file that returns a table. siphon asks it which way the bytes of a copy go, and lets it say what
happens before and after. It is found by its name on the policy path (see ENVIRONMENT in
.BR siphon (1)),
or by a path. This page is the reference;
.I docs/policy\-guide.md
shows how one is written, tried and tested.
.SH THE TABLE
@TABLE@An unknown key is refused.
.SS osd_copy
@OSD_COPY@.SH FACTS
Plain data about both ends. Each fact is computed when it is first read, and then kept. nil means that there is none, or
that it is not known. The name of a fact that does not exist raises. Each has here where it is from, and its type; what
is of type bytes is an integer. `siphon plan \-\-facts` prints all of them for a real volume.
@FACTS@.SH ROUTES
@ROUTES@A file
.I routes/name.lua
on the policy path is a route of your own; what it returns is described at the top of
.IR lua/siphon/routes/init.lua .
.SH WHAT A POLICY SEES
Anything else raises, and says its name. It is a fence around accidents, no wall: a policy is code of your own.
@ENVIRONMENT@.SH THE JOB
What
.BR before " and " after
get. What goes wrong in them fails the job, which is then undone.
@JOB@.SH TRYING IT
.B siphon policy check
.IR name | file
prints what it decides in these situations, without a cluster:
@SITUATIONS@.PP
.B siphon policy test
.I directory
runs the specs (*_spec.lua, of busted) there, which have siphon.testing:
@TESTING@.SH ERRORS
@ERRORS@.SH SEE ALSO
.BR siphon (1),
.BR siphon\-events (7),
.BR siphon\-lua (3)
]]

--- siphon-policy(7). entries: of read.all.
function policy.manual(entries, version)
  local parts = {
    VERSION = version,
    TABLE = list_text(policies.TABLE, function(e) return e[1], ("%s (%s)."):format(e[3], e[2]) end) .. ".PP\n",
    OSD_COPY = list_text(osd_options.LIST, function(e) return e[1], ("%s (%s)"):format(e[3], e[2]) end),
    FACTS = facts_text(),
    ROUTES = list_text(routes.names, function(name) return name, require("siphon.routes." .. name).summary end)
      .. ".PP\n",
    ENVIRONMENT = environment_text(), JOB = job_text(), SITUATIONS = situations_text(),
    TESTING = testing_text(entries),
    ERRORS = list_text(policies.ERRORS, function(e) return e[1], e[2] end),
  }
  return (TEXT:gsub("@([%u_]+)@", parts))
end

return policy
