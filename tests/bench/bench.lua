--- Runs the cases that are asked for, round by round, one method after the other in each; then reports. tests/bench/run has
-- set the stage.

package.path = "tests/bench/?.lua;" .. package.path

local cases = require "cases"
local measure = require "measure"
local methods = require "methods"
local report = require "report"

local rounds = tonumber(os.getenv "ROUNDS")

local function set_of(words)
  local set = {}
  for word in words do set[word] = true end
  return next(set) and set
end

local chosen_methods = set_of((os.getenv "METHODS" or ""):gmatch "%S+")
local chosen_cases = set_of(table.concat(arg, " "):gmatch "%S+")

local by_name = {}
for _, method in ipairs(methods) do by_name[method.name] = method end

-- The same line for each source, side by side.
local function fill(line, sources)
  local lines = {}
  for i, source in ipairs(sources) do
    local words = { FROM = source, TO = "volumes/copy" .. i, WORK = os.getenv "BENCH_WORK" }
    lines[i] = line:gsub("%u%u+", words)
  end
  if #lines == 1 then return lines[1] end
  for i, one in ipairs(lines) do lines[i] = ("( %s ) & pids=\"$pids $!\""):format(one) end
  return "pids=; " .. table.concat(lines, "; ") .. "; for pid in $pids; do wait $pid; done"
end

-- What `rbd export` makes of both.
local function is_equal(source, copy)
  local sums = measure.shell(("for i in %s %s; do rbd export --no-progress $i - | md5sum; done"):format(source, copy))
  local one, other = sums:match "(%x+)%s+%-%s+(%x+)"
  return one == other
end

local function run(case, method, sources, first)
  local line = (case.before or "") .. fill(method.line, sources)
  local figures = measure.run(line, case.limits and case.limits[method.name])
  figures.wrong = first and case.compare and not is_equal(sources[1], "volumes/copy1")
  if figures.late then
    measure.shell "sleep 31" -- its watch on the half-made target has to expire before that can be removed
    measure.shell(fill("rbd rm --no-progress TO || true", sources))
  else
    measure.shell(measure.inside(fill(method.remove, sources)))
  end
  print(("%-10s %-11s %s"):format(case.name, method.name,
    figures.late and ("not done after %d s"):format(figures.late)
      or ("%6.2f s %6.2f s CPU %8.1f MiB link %8.1f MiB peak"):format(figures.wall, figures.cpu, figures.host / 2^20,
        figures.peak / 2^20)))
  return figures
end

-- What the pool can take: `rados bench` writes the bytes of the case random.
local function floor()
  local line = "rados -p volumes bench 60 write -b 4M -t 16 --max-objects 256 --no-cleanup"
  local figures = measure.run(line)
  measure.shell "rados -p volumes cleanup"
  print(("%-10s %-11s %6.2f s"):format("floor", "rados bench", figures.wall))
  return figures
end

-- Nobody shall be measured on a source that no OSD has in its cache yet. Little is to be cached of a thin image, and
-- removing the copy of a vast one takes minutes.
local function warm_up(case, sources)
  if case.cold then return end
  local first = by_name[case.methods[1]]
  measure.shell(measure.inside((case.before or "") .. fill(first.line, sources)))
  measure.shell(measure.inside(fill(first.remove, sources)))
end

local function run_case(case)
  local sources, figures, late = case.prepare(), {}, {}
  warm_up(case, sources)
  if case.rate then measure.limit_link(case.rate) end
  for _ = 1, rounds or case.rounds do
    for _, name in ipairs(case.methods) do
      if (not chosen_methods or chosen_methods[name]) and not late[name] then
        local list = figures[name] or {}
        figures[name], list[#list + 1] = list, run(case, by_name[name], sources, #list == 0)
        late[name] = list[#list].late ~= nil
      end
    end
    if case.name == "random" then
      figures.floor = figures.floor or {}
      table.insert(figures.floor, floor())
    end
  end
  if case.rate then measure.limit_link(nil) end
  return { case = case, figures = figures }
end

measure.shell [[
A="tests/testbed/testbed admin"
$A ceph osd erasure-code-profile set bench k=2 m=1 crush-failure-domain=osd
$A ceph osd pool create coded 16 16 erasure bench; $A ceph osd pool set coded allow_ec_overwrites true
$A ceph osd pool application enable coded rbd
caps='profile rbd pool=volumes, profile rbd pool=images, profile rbd pool=coded'
$A ceph auth caps client.siphon mon 'profile rbd' osd "$caps" mgr "$caps"]]

local began, results = os.time(), {}
for _, case in ipairs(cases) do
  if not chosen_cases or chosen_cases[case.name] then results[#results + 1] = run_case(case) end
end
local text, chart = report.of(results, by_name)
print(text)
print(("%d s"):format(os.time() - began))
if not chosen_cases and not chosen_methods then
  report.write("docs/performance.md", text)
  report.write("docs/performance.svg", chart)
end
