--- siphon-events(7), and the comparison of lua/siphon/event_kinds.lua with the code that tells events.

local roff = require("roff").text

local events = {}

-- --- the code ---------------------------------------------------------------------------------------------

local function sources()
  local list, pipe = {}, assert(io.popen [[
    find lua/siphon core/lib -name '*.lua' -not -name event_kinds.lua -o -name '*.c' | sort]])
  for path in pipe:lines() do list[#list + 1] = path end
  pipe:close()
  return list
end

-- Patterns for what a line of code tells: of which list it is a name.
local TOLD = {
  { "events", ':emit%("([%w_.]+)"' }, { "events", '\\"event\\":\\"([%w_.]+)' },
  { "steps", 'emit_step%("([%w_.]+)"' }, { "steps", ':step%("([%w_.]+)"' },
  { "states", 'emit_step%([^,]+, "(%w+)"' }, { "states", 'tell%(job, "(%w+)"' },
}

local function names_of(list)
  local names = {}
  for _, entry in ipairs(list) do names[entry[1]] = true end
  return names
end

local function states_of(kinds)
  for _, entry in ipairs(kinds.EVENTS) do
    if entry[1] == "step" then return entry[5] end
  end
end

--- What the code tells and the table does not know, and the reverse: a list of texts.
function events.problems(kinds)
  local known = { events = names_of(kinds.EVENTS), steps = names_of(kinds.STEPS), states = names_of(states_of(kinds)) }
  local seen, list = { events = {}, steps = {}, states = {} }, {}
  for _, path in ipairs(sources()) do
    local number = 0
    for line in io.lines(path) do
      number = number + 1
      for _, told in ipairs(TOLD) do
        for name in line:gmatch(told[2]) do
          seen[told[1]][name] = true
          if not known[told[1]][name] then
            list[#list + 1] = ("%s:%d: lua/siphon/event_kinds.lua does not have '%s' among its %s"):format(path, number,
              name, told[1])
          end
        end
      end
    end
  end
  for _, kind in ipairs { "events", "steps" } do -- a state may also come out of a variable
    for name in pairs(known[kind]) do
      if not seen[kind][name] then
        list[#list + 1] = ("lua/siphon/event_kinds.lua: '%s', of its %s, is told nowhere"):format(name, kind)
      end
    end
  end
  table.sort(list)
  return list
end

-- --- the page ---------------------------------------------------------------------------------------------

local function type_text(kinds, field)
  local name = field[2]
  local list = name:match "^%[(%w+)%]$"
  if list then return "list of " .. list end
  local known = kinds.TYPES[name]
  if not known then return "object " .. name end
  return known[1] .. (known[2] and ", " .. known[2] or "")
end

local function field_text(kinds, field)
  local notes = type_text(kinds, field)
  if field.is ~= nil then notes = tostring(field.is) end
  if field.optional then notes = notes .. "; may be missing" end
  if field.null then notes = notes .. "; may be null" end
  return (".TP\n.B %s\n%s\n.RI ( %s )\n"):format(roff(field[1]), roff(field[3]), roff('"' .. notes .. '"'))
end

local function fields_text(kinds, fields)
  local out = {}
  for i, field in ipairs(fields) do out[i] = field_text(kinds, field) end
  return table.concat(out)
end

local HEAD = [[
.TH SIPHON-EVENTS 7 "" "siphon %s" "siphon"
.SH NAME
siphon-events \- what siphon tells of its jobs, as JSON
.SH SYNOPSIS
.nf
siphon copy \-\-json volumes/vm1 glance:golden | jq .
SIPHON_EVENT_LOG=/var/log/siphon.ndjson siphon copy volumes/vm1 glance:golden
.fi
.SH DESCRIPTION
An event is a JSON object. With
.B \-\-json
the commands that work on jobs print one a line on standard output, and nothing else there. The file that
SIPHON_EVENT_LOG names gets those of every job of the process, in the same form, whatever else is shown.
In Lua,
.B on_event
of
.BR siphon-lua (3)
takes a function, which gets them as tables; in C, the callback of
.BR libsiphon (3)
gets them as JSON.
.PP
.I share/siphon/events.schema.json
is the JSON schema (draft 2020-12) of what is described here, made of the same table. A later version may add events and
fields, so a program passes over those that it does not know. What is there keeps its meaning.
.PP
A job's last event is
.BR job.done ", " job.failed " or " job.undone .
What goes wrong before there is a job (a wrong option) is no event: the exit code and standard error tell it. Sizes are
bytes, times seconds. An event never holds a password, a token or a key.
]]

--- siphon-events(7)
function events.manual(kinds, version)
  local out = { HEAD:format(version) }
  out[#out + 1] = ".SH EVENTS\nEvery event has:\n" .. fields_text(kinds, kinds.COMMON)
  out[#out + 1] = ".PP\nand each but\n.BR log " and " warning\nalso:\n" .. fields_text(kinds, kinds.OF_A_JOB)
  for _, entry in ipairs(kinds.EVENTS) do
    local name, since, when, fields, states = table.unpack(entry)
    out[#out + 1] = (".SS %s\n%s\n(Since %s.)\n%s"):format(roff(name), roff(when), roff(since),
      fields_text(kinds, fields))
    for _, state in ipairs(states or {}) do
      out[#out + 1] = (".PP\nWith the state\n.BR %s :\n%s\n.RS\n%s.RE\n"):format(state[1], roff(state[2]),
        fields_text(kinds, state[3]))
    end
  end
  out[#out + 1] = ".SH OBJECTS\n"
  for _, entry in ipairs(kinds.OBJECTS) do
    out[#out + 1] = (".SS %s\n%s\n%s"):format(roff(entry[1]), roff(entry[2]), fields_text(kinds, entry[3]))
  end
  out[#out + 1] = ".SH STEPS\nThe steps of siphon's own routes; those of your own add theirs.\n"
  for _, entry in ipairs(kinds.STEPS) do
    out[#out + 1] = (".TP\n.B %s\n%s\n"):format(roff(entry[1]), roff(entry[2]))
  end
  out[#out + 1] = ".SH SEE ALSO\n.BR siphon (1),\n.BR siphon\\-policy (7),\n.BR siphon\\-lua (3),\n.BR libsiphon (3)\n"
  return table.concat(out)
end

return events
