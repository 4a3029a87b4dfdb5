--- docs/performance.md and its chart from what was measured.

local chart = require "chart"
local measure = require "measure"

local report = {}

local MIB = 1 << 20

local function median(list, key)
  local values = {}
  for i, one in ipairs(list) do values[i] = one[key] end
  table.sort(values)
  local n = #values
  return n % 2 == 1 and values[n // 2 + 1] or (values[n // 2] + values[n // 2 + 1]) / 2
end

local function range(list)
  local least, most = math.huge, 0
  for _, one in ipairs(list) do least, most = math.min(least, one.wall), math.max(most, one.wall) end
  return #list > 1 and ("%.2f-%.2f"):format(least, most) or ""
end

local function mebibytes(bytes)
  local value = bytes / MIB
  return value < 10 and ("%.1f"):format(value) or ("%.0f"):format(value)
end

local COLUMNS = { "wall", "cpu", "peak", "host", "moved", "stored" }

-- nil when there is nothing that could be compared with others.
local function medians(list)
  if not list or list[1].late or list[1].wrong then return nil end
  local row = {}
  for _, key in ipairs(COLUMNS) do row[key] = median(list, key) end
  return row
end

local function row_of(title, list, cp)
  if list[1].late then return ("| %s | not done after %d s | | | | | | | |"):format(title, list[1].late) end
  if list[1].wrong then return ("| %s | its result is not what the source holds | | | | | | | |"):format(title) end
  local row = medians(list)
  return ("| %s | %.2f | %s | %s | %.2f | %s | %s | %s | %s |"):format(title, row.wall, range(list),
    cp and ("%.2f"):format(row.wall / cp.wall) or "", row.cpu, mebibytes(row.host), mebibytes(row.moved),
    mebibytes(row.stored), mebibytes(row.peak))
end

local function table_of(result, methods)
  local lines = {
    ("### %s (`%s`)\n"):format(result.case.title, result.case.name),
    "| method | wall s | from-to | of rbd cp | CPU s | link MiB | cluster MiB | stored MiB | peak MiB |",
    "|---|---|---|---|---|---|---|---|---|",
  }
  local cp = medians(result.figures.cp)
  for _, name in ipairs(result.case.methods) do
    local list = result.figures[name]
    if list then lines[#lines + 1] = row_of(methods[name].title, list, cp) end
  end
  if result.figures.floor then
    lines[#lines + 1] = row_of("`rados bench write`, the same bytes", result.figures.floor, cp)
  end
  return table.concat(lines, "\n") .. "\n"
end

-- { text, value, bound } for each target of which the figures are there.
local function targets(by_case)
  local list = {}
  local function of(case, method) return by_case[case] and medians(by_case[case].figures[method]) end
  local function add(text, value, bound, format)
    list[#list + 1] = { text = text, value = (format or "%.2f"):format(value), bound = (format or "%.2f"):format(bound),
      met = value <= bound }
  end
  local function against_cp(case, key, method, bound, text)
    local ours, cp = of(case, method), of(case, "cp")
    if ours and cp then add(("%s: %s of rbd cp's"):format(case, text), ours[key] / cp[key], bound) end
  end
  local ours, plain = of("random", "siphon"), of("random", "unverified")
  if ours then add("random: share of the data on the client's link, percent", ours.host / 2^30 * 100, 0.1, "%.3f") end
  against_cp("random", "cpu", "siphon", 0.25, "CPU of the client")
  against_cp("random", "wall", "unverified", 0.65, "wall, unverified")
  against_cp("random", "wall", "siphon", 0.65, "wall, verified")
  if ours and plain then add("random: what verification adds to the wall", ours.wall / plain.wall - 1, 0.35) end
  if plain and by_case.random.figures.floor then
    add("random: wall, unverified, of rados bench's", plain.wall / medians(by_case.random.figures.floor).wall, 1.3)
  end
  against_cp("random", "stored", "siphon", 1.05, "space")
  against_cp("used", "stored", "siphon", 1.05, "space")
  against_cp("scattered", "wall", "siphon", 0.8, "wall, verified")
  against_cp("slow", "wall", "siphon", 0.25, "wall, verified")
  local scattered, thin = of("scattered", "siphon"), of("thin", "siphon")
  if scattered then
    add("scattered: bytes on the client's link of those that exist", scattered.host / (64 * MIB), 2.1)
  end
  if thin then add("thin: wall, verified, seconds", thin.wall, 4) end
  local peak = 0
  for _, result in pairs(by_case) do
    local row = medians(result.figures.siphon)
    if row then peak = math.max(peak, row.peak / MIB) end
  end
  if peak > 0 then add("peak memory in any case, MiB", peak, 64, "%.0f") end
  return list
end

local function targets_text(list)
  local lines = { "| what | measured | target | |", "|---|---|---|---|" }
  for _, one in ipairs(list) do
    lines[#lines + 1] = ("| %s | %s | %s | %s |"):format(one.text, one.value, one.bound, one.met and "met" or "missed")
  end
  return table.concat(lines, "\n") .. "\n"
end

-- A straight line through wall over objects, by least squares; nil without three sizes.
local function fit(by_case)
  local points = {}
  for name, objects in pairs { quarter = 64, half = 128, random = 256 } do
    local row = by_case[name] and medians(by_case[name].figures.siphon)
    if not row then return nil end
    points[#points + 1] = { objects, row.wall }
  end
  local x, y, xx, xy, yy = 0, 0, 0, 0, 0
  for _, p in ipairs(points) do
    x, y, xx, xy, yy = x + p[1], y + p[2], xx + p[1] ^ 2, xy + p[1] * p[2], yy + p[2] ^ 2
  end
  local n = #points
  local slope = (n * xy - x * y) / (n * xx - x * x)
  local r = (n * xy - x * y) ^ 2 / ((n * xx - x * x) * (n * yy - y * y))
  return ("Wall = %.2f s + %.1f ms for each object that exists (64, 128 and 256 objects of 4 MiB; r² = %.3f).\n"):format(
    (y - slope * x) / n, slope * 1000, r)
end

local function machine()
  return measure.shell([[
    printf '%s, %s cores of %s, %s of memory, Linux %s, Ceph %s, three OSDs on sparse files, two copies; the daemons and the
client share the machine. One-minute load before the run: %s.' "$(date +%F)" "$(nproc)" \
      "$(sed -n 's/^model name.*: //p;T;q' /proc/cpuinfo)" "$(free -h --si | awk '/^Mem/{print $2}')" "$(uname -r)" \
      "$(ceph --version | cut -d' ' -f3)" "$BENCH_LOAD"]])
end

local HEAD = [[
# What it takes

Written by `make bench`; nothing here is copied by hand. Medians of alternating runs, after one of siphon's in
each case but `thin` and `vast` that is not counted (it fills the OSDs' caches for all); every method starts as a command
and ends when it ends, and is one process or pipeline in a network namespace of its own.

- wall: seconds; from-to: the fastest and the slowest run
- of rbd cp: the ratio of the medians
- CPU: of the client
- link: bytes that passed the namespace's only interface, in and out, as the kernel counts them
- cluster: bytes that the OSDs read and wrote for somebody, copies to replicas included
- stored: what it left on the OSDs' disks, replicas included
- peak: resident memory of the largest process of the client

]]

local TAIL = [[

## What was not measured

A network between the daemons: here all of it is one kernel, so that bytes cost CPU and nothing else, and the copy that crosses a real
network once where others cross it twice gains less than it would. More than three OSDs; disks of their own; a cluster that others use at
the time. The CPU of glance-api in `upload`, which is another host's.
]]

--- The page and the chart.
function report.of(results, methods)
  local by_case, parts = {}, { HEAD, machine(), "\n\n![wall time](performance.svg)\n\n## Targets\n\n" }
  for _, result in ipairs(results) do by_case[result.case.name] = result end
  parts[#parts + 1] = targets_text(targets(by_case))
  local line = fit(by_case)
  if line then parts[#parts + 1] = "\n## Cost and size\n\n" .. line end
  parts[#parts + 1] = "\n## Cases\n\n"
  for i, result in ipairs(results) do
    parts[#parts + 1] = (i > 1 and "\n" or "") .. table_of(result, methods)
  end
  parts[#parts + 1] = TAIL
  return table.concat(parts), chart.of(results, methods, medians)
end

function report.write(path, text)
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
end

return report
