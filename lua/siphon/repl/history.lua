--- The lines that were typed, kept in $XDG_STATE_HOME/siphon/history for the next time: one a line, readable by their
-- owner alone, without those that may hold a secret.

local process = require("siphon.core").process

local history = {}

local KEEP = 1000

local History = {}
History.__index = History

local SECRETS = { "passw", "secret", "token", "credential", "api_?key" }

--- Whether a line may hold a secret.
function history.is_secret(line)
  local small = line:lower()
  for _, word in ipairs(SECRETS) do
    if small:find(word) then return true end
  end
  return false
end

-- A line of the file; what was typed may have several.
local function encode(text)
  return (text:gsub("\\", "\\\\"):gsub("\n", "\\n"))
end

local function decode(line)
  return (line:gsub("\\(.)", { n = "\n", ["\\"] = "\\" }))
end

-- The file, made so that nobody else may read it; nil when it cannot be.
local function make_file()
  local state = os.getenv "XDG_STATE_HOME" or ""
  if state:sub(1, 1) ~= "/" then
    local home = os.getenv "HOME" or ""
    if home == "" then return nil end
    state = home .. "/.local/state"
  end
  local made = process.run { "sh", "-c", 'umask 077 && mkdir -p "$1" && touch "$1/history" && chmod 600 "$1/history"',
    "sh", state .. "/siphon" }
  return made and made.code == 0 and state .. "/siphon/history" or nil
end

--- Reads the history of former sessions; without a file it is just empty, and nothing is kept.
function history.open()
  local self = setmetatable({ lines = {}, path = make_file() }, History)
  local file <close> = self.path and io.open(self.path, "r")
  for line in (file or io.tmpfile()):lines() do self.lines[#self.lines + 1] = decode(line) end
  if #self.lines > 2 * KEEP then self:shorten() end
  return self
end

-- The file grows by a line at a time; now and then the oldest go.
function History:shorten()
  self.lines = table.move(self.lines, #self.lines - KEEP + 1, #self.lines, 1, {})
  local file <close> = io.open(self.path, "w")
  for _, line in ipairs(self.lines) do file:write(encode(line), "\n") end
end

--- Keeps what was typed; true unless it is a repetition or may hold a secret.
function History:add(text)
  if text == self.lines[#self.lines] or history.is_secret(text) then return false end
  self.lines[#self.lines + 1] = text
  local file <close> = self.path and io.open(self.path, "a")
  if file then file:write(encode(text), "\n") end
  return true
end

return history
