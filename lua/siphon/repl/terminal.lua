--- The front of a session at a terminal: prompt, line editor, Tab, Ctrl-C and Ctrl-D, and the lines of background jobs
-- above the prompt.

local core = require "siphon.core"
local commands = require "siphon.repl.commands"
local completion = require "siphon.repl.completion"
local environment = require "siphon.repl.environment"
local history = require "siphon.repl.history"
local progress = require "siphon.progress"
local sessions = require "siphon.repl.session"
local sinks = require "siphon.sinks"

local terminal = {}

local Terminal = {}
Terminal.__index = Terminal

local STDIN, STDOUT = 0, 1
local WIDTH = 80 -- of a terminal that does not tell

-- --- what a session asks of its front ---------------------------------------------------------------------

function Terminal:write(text)
  local hidden = self.editor.hide()
  io.stdout:write(text)
  io.stdout:flush()
  if hidden then self.editor.show(self.question or self:prompt_text()) end
end

function Terminal:width() -- luacheck: ignore self
  return core.system.width(STDOUT) or WIDTH
end

-- The bar of what is waited for.
function Terminal:sink()
  return sinks.terminal(function(text)
    io.stdout:write(text)
    io.stdout:flush()
  end, {
    colour = self.colour, charset = core.system.utf8() and progress.unicode or progress.ascii,
    columns = function() return self:width() end,
  })
end

-- A line for an event of a job in the background: steps that are done, and the end; its bar would be in the way.
function Terminal:tell(job, event)
  if event.event == "progress" then return end
  job.lines = job.lines or sinks.lines(function(text)
    self:write(("[%d] %s"):format(job.number, text))
  end, { no_progress = true })
  job.lines(event)
end

function Terminal:leave()
  self.leaving = true
end

-- --- the prompt -------------------------------------------------------------------------------------------

-- Bytes that take no room, as readline wants them marked.
local function invisible(self, code)
  return self.colour and ("\1\27[%sm\2"):format(code) or ""
end

function Terminal:prompt_text()
  if self.pending then return invisible(self, "2") .. "     ... " .. invisible(self, "0") end
  local running = #self.session.jobs:running()
  local count = running > 0 and (" [%d]"):format(running) or ""
  return invisible(self, "1") .. "siphon" .. count .. ">" .. invisible(self, "0") .. " "
end

function Terminal:complete(again)
  local text, point = self.editor.buffer()
  local before = text:sub(1, point)
  if self.pending then before = self.pending .. "\n" .. before end
  local start, list = self.completer:complete(before)
  if #list == 0 then return self.editor.ring() end
  local common = completion.common(list)
  if #common > #start then
    self.editor.insert(common:sub(#start + 1))
  elseif again and #list > 1 then
    self.editor.list(completion.columns(list, self:width() - 1))
  elseif #list > 1 then
    self.editor.ring()
  end
end

-- One line from the editor, as an answer to the question if there is one; nil at the end of input.
function Terminal:read_line(question)
  self.question, self.session.hasty = question, nil
  self.editor.prompt(question or self:prompt_text())
  while true do
    assert(core.input.wait(STDIN))
    local what, value = self.editor.read()
    if what == "line" then return value end
    if what == "end" then return nil end
    if what == "complete" then self:complete(value) end
  end
end

-- Ctrl-C: at the prompt it drops the line. Where there is none, a line runs, or is about to.
function Terminal:interrupted()
  if not self.editor.drop() then return self.session:interrupt() end
  self.pending = nil
  self.editor.prompt(self.question or self:prompt_text())
end

-- Whether to leave although jobs run.
function Terminal:may_leave()
  local running = #self.session.jobs:running()
  if running == 0 then return true end
  local answer = self:read_line(("%d job%s running: cancel, undo and leave? [y/N] "):format(running,
    running == 1 and " is" or "s are"))
  return answer ~= nil and answer:lower():find "^%s*y" ~= nil
end

-- --- the loop ---------------------------------------------------------------------------------------------

function Terminal:handle(line)
  local text = self.pending and self.pending .. "\n" .. line or line
  if not self.pending then
    if not text:find "%S" then return end
    if commands.is_command(text) then
      self:remember(text)
      return commands.run(self.session, text)
    end
  end
  local _, problem = self.session:evaluate(text)
  self.pending = problem == "incomplete" and text or nil
  if not self.pending then self:remember(text) end
end

function Terminal:remember(text)
  if self.history:add(text) then self.editor.remember(text) end
end

function Terminal:loop()
  while true do
    local line = self:read_line()
    if line then
      self:handle(line)
    else
      self.pending = nil
      io.stdout:write "\n"
      self.leaving = true
    end
    if self.leaving then
      if self:may_leave() then return end
      self.leaving = false
    end
  end
end

-- A file that every session begins with.
function Terminal:load_rc()
  local config = os.getenv "XDG_CONFIG_HOME" or ""
  if config:sub(1, 1) ~= "/" then config = (os.getenv "HOME" or "") .. "/.config" end
  local path = config .. "/siphon/replrc.lua"
  local file <close> = io.open(path, "r")
  if file then commands.run(self.session, ":load " .. path) end
end

--- Runs a session on the terminal until it is left. options: those of siphon.repl.session; colour; editor: the module
-- siphon.readline, or one like it.
function terminal.run(options)
  local self = setmetatable({ editor = options.editor, colour = options.colour, hints = true }, Terminal)
  self.session = sessions.new(self, options)
  self.completer = completion.new(self.session)
  local _ <close> = setmetatable({}, { __close = function()
    self.editor.stop()
    self.session:close()
    core.task.on_interrupt(nil)
  end })
  core.task.on_interrupt(function() self:interrupted() end)
  self.history = history.open()
  for _, line in ipairs(self.history.lines) do self.editor.remember(line) end
  self.session:run(function() self:write(environment.greeting(self.session) .. "\n") end, "connecting")
  self:write "help() explains, Ctrl-D leaves\n"
  self:load_rc()
  self:loop()
  return 0
end

return terminal
