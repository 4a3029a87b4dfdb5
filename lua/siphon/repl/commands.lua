--- The commands of the prompt, which begin with a colon.

local core = require "siphon.core"
local errors = require "siphon.errors"
local journals = require "siphon.journal"
local nearest = require "siphon.nearest"
local units = require "siphon.units"

local commands = {}

local function usage(message)
  errors.raise("usage", nil, message)
end

local SHOWN = 20 -- of the cluster's jobs
local JUST_NOW = 1 -- seconds for which an answer of the cluster serves

local function job_of(session, text)
  local job = session.jobs.list[math.tointeger(tonumber(text)) or 0]
  if not job then usage(("there is no job '%s' (:jobs lists those that run)"):format(text)) end
  return job
end

local COMMANDS = {}

COMMANDS.help = { "", "this list; help() explains siphon itself" }
COMMANDS.jobs = { "", "what runs in the background, and what is not over in the cluster" }
COMMANDS.cancel = { "NUMBER|ID", "cancel a job, of this session or of the cluster: what it began is undone" }
COMMANDS.wait = { "NUMBER", "wait for a job; Ctrl-C leaves it alone" }
COMMANDS.time = { "CODE", "run it and say how long it took" }
COMMANDS.set = { "output lua|json|yaml", "how values are written" }
COMMANDS.load = { "FILE", "run a file of Lua in this session" }
COMMANDS.edit = { "[FILE]", "write Lua in $EDITOR and run it" }
COMMANDS.quit = { "", "leave; also Ctrl-D" }

local ORDER = { "help", "jobs", "cancel", "wait", "time", "set", "load", "edit", "quit" }

function COMMANDS.help.run(session)
  for _, name in ipairs(ORDER) do
    session:say(("  %-28s %s"):format(":" .. name .. " " .. COMMANDS[name][1], COMMANDS[name][2]))
  end
end

-- Those that the journal has, whoever works on them; none when there is no cluster, or it does not answer.
local function say_cluster_jobs(session)
  local list = session.names:jobs(JUST_NOW)
  for i, job in ipairs(list) do
    if i > SHOWN then return session:say(("... and %d more: siphon jobs lists them all"):format(#list - SHOWN)) end
    local who = job.state == "running" and job.holder and ", " .. journals.holder_text(job.holder) or ""
    session:say(("%s  %s%s, %s -> %s"):format(job.id, job.state, who, job.source, job.target))
  end
end

function COMMANDS.jobs.run(session)
  local running = session.jobs:running()
  if #running == 0 then session:say "nothing runs in the background" end
  for _, job in ipairs(running) do
    session:say(("[%d] %s, since %s"):format(job.number, (job.label or ""):gsub("%s+", " "),
      units.duration(core.task.now() - job.began)))
  end
  say_cluster_jobs(session)
end

function COMMANDS.cancel.run(session, text)
  if not text:find "^%d+%-" then return job_of(session, text).task:cancel() end
  session:run(function()
    local holder, err = session.env.siphon.jobs.cancel(text, session:caller())
    if not holder then return nil, err end
    session:say(holder == true and "undone" or ("%s is told, and undoes what it did"):format(
      journals.holder_text(holder)))
  end, ":cancel " .. text)
end

-- Waited for as a line of its own, so that Ctrl-C ends the waiting and not the job.
function COMMANDS.wait.run(session, text)
  local job = job_of(session, text)
  session:run(function()
    pcall(job.task.join, job.task)
    core.task.checkpoint()
  end, ":wait " .. text)
end

function COMMANDS.time.run(session, text)
  local began = core.task.now()
  local ok, problem = session:evaluate(text)
  if problem then usage ":time takes code that is complete" end
  if ok ~= nil then session:say("took " .. units.duration(core.task.now() - began)) end
  return ok
end

function COMMANDS.set.run(session, text)
  local outputs = require("siphon.repl.session").OUTPUTS
  local chosen = text:match "^output%s+(%a+)$"
  for _, name in ipairs(outputs) do
    if name == chosen then
      session.output = chosen
      return
    end
  end
  usage(":set output " .. table.concat(outputs, "|"))
end

local function load_file(session, path)
  local file <close> = io.open(path, "rb")
  local text = file and file:read "a"
  if not text then usage(("there is no file '%s' to read"):format(path)) end
  local fn, problem = load(text:gsub("^#[^\n]*", "", 1), "@" .. path, "t", session.env)
  if not fn then errors.raise("lua.error", nil, problem) end
  return session:run(fn, ":load " .. path)
end

function COMMANDS.load.run(session, text)
  return load_file(session, text)
end

function COMMANDS.edit.run(session, text)
  if #session.jobs:running() > 0 then
    usage ":edit stops everything meanwhile, and a job is running (:jobs)"
  end
  local scratch = text == "" and os.tmpname() or nil
  local path = scratch or text
  local editor = os.getenv "VISUAL" or os.getenv "EDITOR" or "vi"
  local ok = os.execute(("%s '%s'"):format(editor, path:gsub("'", "'\\''")))
  if ok then ok = load_file(session, path) end
  if scratch then os.remove(scratch) end
  return ok
end

function COMMANDS.quit.run(session)
  session.front:leave()
end

-- The command that the word begins, when only one does.
local function find(word)
  if COMMANDS[word] then return COMMANDS[word] end
  local found
  for _, name in ipairs(ORDER) do
    if word ~= "" and name:sub(1, #word) == word then
      if found then return nil end
      found = COMMANDS[name]
    end
  end
  return found
end

--- Whether the text is a command. `quit` and `exit` are understood as well: what else could they mean.
function commands.is_command(text)
  return text:find "^%s*:%a" ~= nil or text:find "^%s*quit%s*$" ~= nil or text:find "^%s*exit%s*$" ~= nil
end

--- Runs it; false when it failed.
function commands.run(session, text)
  local word, rest = text:match "^%s*:?(%a+)%s*(.-)%s*$"
  if word == "exit" then word = "quit" end
  local command = find(word)
  local ok, result = xpcall(function()
    if not command then
      usage(("there is no command ':%s'%s (:help lists them)"):format(word, nearest.hint(word, ORDER)))
    end
    if rest == "" and command[1]:find "^%u" then usage((":%s %s"):format(word, command[1])) end
    return command.run(session, rest)
  end, errors.handler)
  if not ok then
    session:failed(result)
    return false
  end
  return result ~= false
end

--- For siphon.repl.completion: the part that is being completed, and what it can become. ids(): of the jobs that can be
-- cancelled.
function commands.complete(text, matching, ids)
  local word = text:match "^%a*$"
  if word then return word, matching(ORDER, word) end
  local start = text:match "^set%s+output%s+(%a*)$"
  if start then return start, matching(require("siphon.repl.session").OUTPUTS, start) end
  start = text:match "^cancel%s+([%d%x-]*)$"
  if start then return start, matching(ids(), start) end
  start = text:match "^set%s+(%a*)$"
  if start then return start, matching({ "output " }, start) end
  return "", {}
end

return commands
