--- The front of a session that reads from a pipe or a file: no prompt, no colour, each piece of Lua run as soon as it
-- is complete, results on stdout, errors on stderr; ends at the first error. With `json`, one object a result.

local core = require "siphon.core"
local commands = require "siphon.repl.commands"
local errors = require "siphon.errors"
local json = require "siphon.json"
local sessions = require "siphon.repl.session"
local sinks = require "siphon.sinks"

local pipe = {}

local Pipe = {}
Pipe.__index = Pipe

local STDIN = 0
local WIDTH = 100

function Pipe:write(text) -- luacheck: ignore self
  io.stdout:write(text)
  io.stdout:flush()
end

function Pipe:width() return WIDTH end -- luacheck: ignore self

function Pipe:sink()
  return not self.json and sinks.lines(function(text) self:write(text) end, {}) or nil
end

function Pipe:tell(job, event)
  job.lines = job.lines or self:sink()
  if job.lines then job.lines(event) end
end

function Pipe:leave()
  self.leaving = true
end

--- What went wrong, on stderr.
function Pipe:fail(err)
  self.session.env.err = err
  if self.json then
    self:write(json.encode { error = errors.plain(err) } .. "\n")
  end
  local plain = errors.has_code(err, "lua.error")
  io.stderr:write("siphon: ", plain and err.message or errors.is(err) and errors.line(err) or tostring(err), "\n")
  self.failure = err
end

-- The results of a line, in JSON: { "results": [...] }.
function Pipe:take(results, failed)
  local env = self.session.env
  if results.n > 0 then env._ = results[1] end
  for i = 1, results.n do env["_" .. i] = results[i] end
  if failed then
    self:fail(results[2])
    return false
  end
  if results.n == 0 then return true end
  if not self.json then
    for i = 1, results.n do self:write(self.session:text_of(results[i]) .. "\n") end
    return true
  end
  local list = json.array {}
  for i = 1, results.n do
    list[i] = results[i] == nil and json.null or results[i]
    if not pcall(json.encode, list[i]) then list[i] = tostring(results[i]) end
  end
  self:write(json.encode { results = list } .. "\n")
  return true
end

-- The lines of stdin, waited for on the loop so that jobs go on meanwhile.
local function lines()
  local buffer, ended = "", false
  return function()
    while true do
      local line, rest = buffer:match "^([^\n]*)\n(.*)$"
      if line then
        buffer = rest
        return line
      end
      if ended then
        line, buffer = buffer, ""
        return line ~= "" and line or nil
      end
      assert(core.input.wait(STDIN))
      local more = assert(core.input.read(STDIN))
      ended = more == ""
      buffer = buffer .. more
    end
  end
end

-- One line more: true when it, or what it completed, went well.
function Pipe:handle(line)
  local text = self.pending and self.pending .. "\n" .. line or line
  if not self.pending and not text:find "%S" then return true end
  if not self.pending and commands.is_command(text) then return commands.run(self.session, text) end
  local ok, problem = self.session:evaluate(text)
  self.pending = problem == "incomplete" and text or nil
  return self.pending ~= nil or ok
end

--- Runs what comes on stdin; returns nil, or the error that ended it. options: those of siphon.repl.session; json;
-- keep_going: do not end at an error.
function pipe.run(options)
  local self = setmetatable({ json = options.json }, Pipe)
  self.session = sessions.new(self, options)
  local _ <close> = setmetatable({}, { __close = function() self.session:close() end })
  local failure
  for line in lines() do
    if line:find "^#!" and not self.begun then line = "" end
    self.begun = true
    if not self:handle(line) then
      failure = failure or self.failure
      if not options.keep_going then return failure end
    end
    if self.leaving then break end
  end
  if self.pending then
    self:fail(errors.new("lua.error", nil, "the input ends in the midst of: " .. self.pending:match "^%s*([^\n]*)"))
    return self.failure
  end
  self.session.jobs:wait_all()
  return failure or self.failure
end

return pipe
