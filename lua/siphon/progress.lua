--- Progress: how fast a step goes, how long it will still take, and one line of text that shows both.
-- Pure functions on numbers and strings; the sinks decide where the line goes.

local units = require "siphon.units"

local progress = {}

local SETTLE = 3 -- seconds: how far back the rate looks

local Meter = {}
Meter.__index = Meter

--- Watches a number that grows up to `total`. `now` is the time it starts, in seconds on any steady clock.
function progress.meter(total, now)
  return setmetatable({ total = total, done = 0, since = now, at = now, rate = 0 }, Meter)
end

--- Takes a new value; returns done, rate (per second, smoothed) and the seconds left (nil when not known
-- yet). A total that was not known at the start may be given later.
function Meter:update(done, now, total)
  self.total = total or self.total
  local seconds = now - self.at
  if seconds > 0 then
    -- It may fall: a ceph-mgr that takes over another's task begins anew.
    local current = math.max(0, done - self.done) / seconds
    local elapsed = now - self.since
    local weight = elapsed < SETTLE and seconds / elapsed or 1 - math.exp(-seconds / SETTLE)
    self.rate = self.rate + weight * (current - self.rate)
    self.at, self.done = now, done
  end
  local left = self.total - done
  if left <= 0 then return done, self.rate, 0 end
  return done, self.rate, self.rate > 0 and left / self.rate or nil
end

progress.unicode = { full = "█", parts = { "▏", "▎", "▍", "▌", "▋", "▊", "▉" }, empty = "░", cut = "…" }
progress.ascii = { full = "#", parts = {}, empty = ".", cut = "~" }

--- The bar alone, `width` columns wide, for a fraction from 0 to 1.
function progress.bar(fraction, width, charset)
  local filled = math.max(0, math.min(1, fraction)) * width
  local whole = math.floor(filled)
  local parts = #charset.parts
  local part = parts > 0 and charset.parts[math.floor((filled - whole) * (parts + 1))] or ""
  local empty = width - whole - (part ~= "" and 1 or 0)
  return charset.full:rep(whole) .. part .. charset.empty:rep(empty)
end

--- How many columns a text takes: one a character (names in wide scripts take more; a line is kept short of
-- the edge for them).
function progress.columns(text)
  return utf8.len(text) or #text
end

--- The text, cut to at most `width` columns.
function progress.cut(text, width, charset)
  if progress.columns(text) <= width then return text end
  if width < 2 then return "" end
  local last = utf8.len(text) and utf8.offset(text, width) or width
  return text:sub(1, last - 1) .. charset.cut
end

local BAR_MIN, BAR_MAX = 8, 40
-- Columns kept for each number, so that the bar does not jump when "9.9 MiB" becomes "10 MiB".
local SIZES_WIDTH, RATE_WIDTH, LEFT_WIDTH, HOST_WIDTH = 19, 10, 11, 12

local function right(text, width)
  return (" "):rep(width - #text) .. text
end

local LABEL_MIN, LABEL_MAX = 8, 40

-- The label with the route, which is kept whole where there is room for it.
local function label_of(state, width, charset)
  local route = state.route and (" (%s)"):format(state.route) or ""
  if width < LABEL_MIN then return nil end
  if width < LABEL_MIN + #route then return progress.cut(state.label, width, charset) end
  return progress.cut(state.label, width - #route, charset) .. route
end

--- One line for a step under way, never wider than `width` columns. What matters least goes first when it
-- gets narrow: the sizes, the label, what passed through this host, the rate, the bar, the time left; the percentage
-- stays. state: { label, route, done, total, rate, left, through_host }
function progress.line(state, width, charset)
  local fraction = state.total > 0 and state.done / state.total or 1
  local columns = { ("%3d%%"):format(math.floor(fraction * 100)) }
  local room = width - 4
  local function take(text, reserved, position)
    local needed = math.max(#text, reserved) + 2
    if needed > room then return end
    table.insert(columns, position, right(text, reserved))
    room = room - needed
  end
  local left = state.left and state.left > 0
  take(left and units.duration(state.left) .. " left" or "", LEFT_WIDTH, 2)
  local bar_fits = room >= BAR_MIN + 2
  if bar_fits then room = room - BAR_MIN - 2 end
  take(state.rate > 0 and units.rate(state.rate) or "", RATE_WIDTH, 2)
  if state.through_host then take("host " .. units.bytes(state.through_host), HOST_WIDTH, #columns + 1) end
  local label = label_of(state, math.min(room - 2, LABEL_MAX), charset)
  if label then room = room - progress.columns(label) - 2 end
  take(units.bytes(state.done) .. " of " .. units.bytes(state.total), SIZES_WIDTH, 2)
  if bar_fits then
    table.insert(columns, 1, progress.bar(fraction, math.min(BAR_MIN + room, BAR_MAX), charset))
  end
  if label then table.insert(columns, 1, label) end
  return (table.concat(columns, "  "):gsub("%s+$", ""))
end

return progress
