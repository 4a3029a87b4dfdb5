--- Sizes, rates and times as people read and write them. Inside siphon sizes are integers in bytes and times
-- are seconds; these are only for what is printed and what is typed.

local units = {}

local SIZES = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" }

--- 1536 -> "1.5 KiB". Three digits that count, never more than four characters before the unit.
function units.bytes(bytes)
  local value, step = bytes, 1
  while value >= 1000 and step < #SIZES do
    value, step = value / 1024, step + 1
  end
  if step == 1 then return ("%d B"):format(value) end
  return (value < 9.95 and "%.1f %s" or "%.0f %s"):format(value, SIZES[step])
end

--- "12 MiB/s"
function units.rate(bytes_per_second)
  return units.bytes(math.floor(bytes_per_second)) .. "/s"
end

--- 0.4 -> "0.4 s", 75 -> "1 min 15 s", 7260 -> "2 h 1 min"
function units.duration(seconds)
  if seconds < 9.95 then return ("%.1f s"):format(seconds) end
  local whole = math.floor(seconds + 0.5)
  if whole < 60 then return ("%d s"):format(whole) end
  if whole < 3600 then return ("%d min %d s"):format(whole // 60, whole % 60) end
  if whole < 86400 then return ("%d h %d min"):format(whole // 3600, whole % 3600 // 60) end
  return ("%d d %d h"):format(whole // 86400, whole % 86400 // 3600)
end

--- 0.4 -> "0.4 s", 90 -> "1:30", 7260 -> "2:01:00": for the marks of an axis.
function units.short_duration(seconds)
  if seconds < 60 then return ("%.4g s"):format(seconds < 10 and math.floor(seconds * 10 + 0.5) / 10
    or math.floor(seconds + 0.5)) end
  local whole = math.floor(seconds + 0.5)
  if whole < 3600 then return ("%d:%02d"):format(whole // 60, whole % 60) end
  return ("%d:%02d:%02d"):format(whole // 3600, whole % 3600 // 60, whole % 60)
end

local IN_BYTES = { [""] = 1, K = 1 << 10, M = 1 << 20, G = 1 << 30 }

--- "200M", "1.5G", "1048576" -> bytes a second, or nil and what would have been right.
function units.parse_rate(text)
  local number, unit = text:match("^(%d+%.?%d*)([KMG]?)$")
  if not number then return nil, ("'%s' is not a rate: write bytes a second, as 200M or 1G"):format(text) end
  return math.floor(tonumber(number) * IN_BYTES[unit])
end

local IN_SECONDS = { [""] = 1, s = 1, m = 60, min = 60, h = 3600, d = 86400 }

--- "90", "90s", "5m", "2h" -> seconds, or nil and what would have been right.
function units.parse_duration(text)
  local number, unit = text:match("^(%d+%.?%d*)%s*(%a*)$")
  local factor = unit and IN_SECONDS[unit]
  if not factor then return nil, ("'%s' is not a time: write seconds, or 30s, 5m, 2h"):format(text) end
  return tonumber(number) * factor
end

-- The date in local time, or in UTC; nil when there is no such date: os.time takes 31 June for 1 July.
local function time_of(date, utc)
  local day, hour, minute = date.day, date.hour, date.min -- which os.time makes right
  local time = os.time(date)
  if utc then
    local there = os.date("!*t", time)
    there.isdst = false
    time = time + os.difftime(time, os.time(there))
  end
  local back = os.date(utc and "!*t" or "*t", time)
  return back.day == day and back.hour == hour and back.min == minute and time or nil
end

-- "22:00": the next time that it is.
local function next_time(hour, minute, now)
  local date = os.date("*t", math.floor(now))
  date.hour, date.min, date.sec, date.isdst = hour, minute, 0, nil
  local time = os.time(date)
  if time > now then return time end
  date.day = date.day + 1
  return os.time(date)
end

--- "+90s", "+2h", "22:00", "2026-01-31 22:00", "2026-01-31T22:00:00Z" -> seconds since 1970, or nil and what would have
-- been right. Without Z it is local time; an hour alone is the next time that it is, seen from `now`.
function units.parse_time(text, now)
  local rest = text:match "^%+(.+)$"
  if rest then
    local seconds, problem = units.parse_duration(rest)
    return seconds and now + seconds, problem
  end
  local hour, minute = text:match "^(%d%d?):(%d%d)$"
  if hour and tonumber(hour) < 24 and tonumber(minute) < 60 then return next_time(hour, minute, now) end
  local year, month, day, h, m, tail = text:match "^(%d%d%d%d)%-(%d%d)%-(%d%d)[T ](%d%d):(%d%d)(.*)$"
  local second, zone = (tail or ""):match "^:?(%d?%d?)(Z?)$"
  if year and zone then
    local time = time_of({ year = tonumber(year), month = tonumber(month), day = tonumber(day), hour = tonumber(h),
      min = tonumber(m), sec = tonumber(second) or 0 }, zone == "Z")
    if time then return time end
  end
  return nil, ("'%s' is not a time: write +30m, 22:00, or 2026-01-31 22:00 (with a Z behind it, UTC)"):format(text)
end

return units
