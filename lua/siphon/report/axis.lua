--- A time axis on which what happened has room: long stretches in which nothing did are cut short, and said to be.

local units = require "siphon.units"

local axis = {}

local Axis = {}
Axis.__index = Axis

local LONG = 0.3       -- of all the busy time: a stretch that is longer than that is cut
local SHORTEST = 5     -- seconds; shorter ones are never cut
local CUT = 0.06       -- of the width, for each stretch that was cut
local TICKS = 5

-- The busy stretches, in order, those that touch or overlap made one.
local function merge(intervals)
  local sorted = table.move(intervals, 1, #intervals, 1, {})
  table.sort(sorted, function(a, b) return a.from < b.from end)
  local merged = {}
  for _, one in ipairs(sorted) do
    local last = merged[#merged]
    if last and one.from <= last.to then
      last.to = math.max(last.to, one.to)
    else
      merged[#merged + 1] = { from = one.from, to = one.to }
    end
  end
  return merged
end

-- Joins stretches with less than `longest` between them.
local function join(stretches, longest)
  local joined = {}
  for _, one in ipairs(stretches) do
    local last = joined[#joined]
    if last and one.from - last.to <= longest then last.to = one.to else joined[#joined + 1] = one end
  end
  return joined
end

--- intervals: { from, to }, seconds since 1970, at least one.
function axis.new(intervals)
  local busy, seconds = merge(intervals), 0
  for _, one in ipairs(busy) do seconds = seconds + one.to - one.from end
  local stretches = join(busy, math.max(SHORTEST, LONG * seconds))
  local shown, at = 0, 0
  for _, one in ipairs(stretches) do shown = shown + one.to - one.from end
  shown = math.max(shown, 0.1)
  local cut = math.min(CUT, 0.5 / #stretches)
  local room = 1 - cut * (#stretches - 1)
  for _, one in ipairs(stretches) do
    one.at, one.width = at, room * (one.to - one.from) / shown
    at = at + one.width + cut
  end
  return setmetatable({ stretches = stretches, cut = cut, shown = shown, from = stretches[1].from }, Axis)
end

--- Where a time is, from 0 to 1.
function Axis:at(time)
  local last = 0
  for _, one in ipairs(self.stretches) do
    if time < one.from then return last end
    if time <= one.to then
      local length = one.to - one.from
      return one.at + (length > 0 and one.width * (time - one.from) / length or 0)
    end
    last = one.at + one.width
  end
  return last
end

--- What was cut: a list of { at, width, seconds }.
function Axis:cuts()
  local list = {}
  for i = 2, #self.stretches do
    local before, after = self.stretches[i - 1], self.stretches[i]
    list[i - 1] = { at = before.at + before.width, width = self.cut, seconds = after.from - before.to }
  end
  return list
end

local STEPS = { 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400 }

local function step_for(seconds)
  for _, step in ipairs(STEPS) do
    if seconds / step <= TICKS then return step end
  end
  return seconds / TICKS
end

--- The marks: { at, text }, the time since the axis begins: where each stretch does, and at round times in it.
function Axis:ticks()
  local step, list = step_for(self.shown), {}
  local function mark(seconds)
    local text = seconds == 0 and "0" or units.short_duration(seconds)
    list[#list + 1] = { at = self:at(self.from + seconds), text = text }
  end
  for _, one in ipairs(self.stretches) do
    local from, to = one.from - self.from, one.to - self.from
    mark(from)
    for i = math.floor(from / step) + 1, math.floor(to / step) do mark(i * step) end
  end
  return list
end

return axis
