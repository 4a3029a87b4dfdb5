--- The lines at the foot of a terminal that are redrawn in place, one for each job that runs, below the text that
-- stays. Knows nothing of jobs: a line is a function of the width.

local core = require "siphon.core"
local progress = require "siphon.progress"

local bars = {}

local Bars = {}
Bars.__index = Bars

local MOST = 8         -- lines; more would push the text off a small terminal
local INTERVAL = 0.1   -- seconds between two drawings of what only grew

--- options: columns, a function, since the window may be resized; charset.
function bars.new(write, options)
  return setmetatable({
    write = write, columns = options.columns, charset = options.charset, keys = {}, lines = {}, drawn = {}, due = 0,
  }, Bars)
end

-- The rows that the drawn lines take by now: a narrower window has wrapped them.
local function rows(self)
  local width, count = math.max(1, self.columns()), 0
  for _, columns in ipairs(self.drawn) do count = count + math.max(1, (columns + width - 1) // width) end
  return count
end

-- The text that takes them off the screen; the cursor is behind the last one.
local function clearing(self)
  local count = rows(self)
  self.drawn = {}
  if count == 0 then return "" end
  return (count > 1 and ("\27[%dA"):format(count - 1) or "") .. "\r\27[J"
end

-- The lines as they are now, and their widths.
local function drawing(self)
  local width, texts = self.columns() - 1, {}
  for i, key in ipairs(self.keys) do
    if i > MOST then
      texts[i] = progress.cut(("... and %d more"):format(#self.keys - MOST), width, self.charset)
      break
    end
    texts[i] = self.lines[key](width)
  end
  for i, text in ipairs(texts) do self.drawn[i] = progress.columns(text) end
  return table.concat(texts, "\n")
end

local function redraw(self, above)
  self.due = core.task.now() + INTERVAL
  self.write(clearing(self) .. (above or "") .. drawing(self))
end

--- Shows a line, function(width) -> text, in the place that the key has. `soon`: not before its turn, should it come
-- too often.
function Bars:set(key, line, soon)
  if not self.lines[key] then self.keys[#self.keys + 1] = key end
  self.lines[key] = line
  if soon and core.task.now() < self.due then return end
  redraw(self)
end

-- Forgets the key's line, which stays on the screen until the next drawing.
local function forget(self, key)
  if not self.lines[key] then return false end
  self.lines[key] = nil
  for i, other in ipairs(self.keys) do
    if other == key then table.remove(self.keys, i) end
  end
  return true
end

--- Takes the key's line away.
function Bars:remove(key)
  if forget(self, key) then redraw(self) end
end

--- Writes text that stays, above the lines; it ends with a newline. `key`: whose line is over with that.
function Bars:print(text, key)
  if key then forget(self, key) end
  redraw(self, text)
end

return bars
