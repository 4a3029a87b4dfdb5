-- The matrix of faults.matrix. All of it takes half an hour: `make faults` (SIPHON_FAULTS=all) runs it and writes
-- docs/faults.md. Else a part of it, another one each day: each point once, on one of the routes that have it, then
-- resumed or undone, and of those every fourth (every twelfth under a sanitizer), and all that are amid an operation.

local bed = require "support.bed"
local fences = require "support.fences"
local matrix = require "faults.matrix"
local watches = require "support.watches"

local ALL = os.getenv "SIPHON_FAULTS" == "all"
local AT_ONCE = ALL and 12 or 6
local SHARE = (os.getenv "SIPHON_BUILD" or ""):find "asan" and 12 or 4

local NOT_REACHED = "not reached"

-- Every way x point x { resume, undo }.
local function all_cases(points)
  local cases = {}
  for _, way in ipairs(matrix.ways) do
    for _, point in ipairs(points[way]) do
      for _, what in ipairs { "resume", "undo" } do cases[#cases + 1] = { way = way, point = point, what = what } end
    end
  end
  return cases
end

-- Today's part of them, or that of another day (SIPHON_FAULTS_DAY: days since 1970).
local function some_cases(points)
  local by_point, order = {}, {}
  for _, case in ipairs(all_cases(points)) do
    if not by_point[case.point] then
      by_point[case.point] = {}
      order[#order + 1] = case.point
    end
    table.insert(by_point[case.point], case)
  end
  local day, cases = tonumber(os.getenv "SIPHON_FAULTS_DAY") or os.time() // 86400, {}
  for i, point in ipairs(order) do
    local list = by_point[point]
    if (i + day) % SHARE == 0 or point:find "/half$" then cases[#cases + 1] = list[(i + day) // SHARE % #list + 1] end
  end
  return cases
end

local HEAD = [[
# What a crash leaves behind

Made by `make faults`. A copy is killed (SIGKILL) at each of these points, on each route that has it; then another process
resumes it, or undoes it. ✓ after resume: one active image, identical to the volume. ✓ after undo: no image, no record, no
snapshot. In both cases: no snapshot of siphon's on the volume, no record of the job but its line of history, no lock, no
scratch file. A point is the end of an operation with a lasting effect, before the process knows of it; `/half` is in its
midst; `rados.omap_set` is a write to the job's record. The points are those that a copy passes: nobody lists them.

%d copies were killed: %d as they should be, %d that the process did not come by in time (–), %d that were not.

]]

local function write_table(points, results)
  local rows, seen, lines, count = {}, {}, {}, { [true] = 0, [false] = 0, [NOT_REACHED] = 0 }
  for _, way in ipairs(matrix.ways) do
    for _, point in ipairs(points[way]) do
      if not seen[point] then
        seen[point] = true
        rows[#rows + 1] = point
      end
    end
  end
  local names, rule = { "point" }, { "---" }
  for i, way in ipairs(matrix.ways) do names[i + 1], rule[i + 1] = way.name, "---" end
  lines[1] = "| " .. table.concat(names, " | ") .. " |"
  lines[2] = "|" .. table.concat(rule, "|") .. "|"
  for _, point in ipairs(rows) do
    local cells = { "`" .. point .. "`" }
    for i, way in ipairs(matrix.ways) do
      local words = {}
      for _, what in ipairs { "resume", "undo" } do
        local result = results[way.name .. "\0" .. point .. "\0" .. what]
        if result ~= nil then
          count[result] = count[result] + 1
          words[#words + 1] = result == true and "✓" or result == NOT_REACHED and "–" or "✗"
        end
      end
      cells[i + 1] = table.concat(words, " ")
    end
    lines[#lines + 1] = "| " .. table.concat(cells, " | ") .. " |"
  end
  local total = count[true] + count[false] + count[NOT_REACHED]
  local text = HEAD:format(total, count[true], count[NOT_REACHED], count[false])
    .. "Each cell: resume, undo.\n\n" .. table.concat(lines, "\n") .. "\n"
  local file <close> = assert(io.open("docs/faults.md", "w"))
  file:write(text)
  print(text)
end

describe("a copy that is killed", function()
  local before, barred

  setup(function()
    before, barred = bed.inventory(), fences.standing()
    bed.let_glance_read(bed.GLANCE_READS_VOLUMES)
  end)
  teardown(function()
    bed.let_glance_read()
    fences.lift(barred)
    bed.assert_unchanged(before)
  end)

  it("at any point is resumed to one identical image, and undone to nothing", function()
    local points, results, wrong, images, late = {}, {}, {}, {}, 0
    matrix.each(matrix.ways, AT_ONCE, function(way) points[way] = matrix.points(way) end)
    local cases = ALL and all_cases(points) or some_cases(points)
    assert.is_true(#cases > 5)
    matrix.each(cases, AT_ONCE, function(case)
      local problem, made = matrix.try(case.way, case.point, case.what)
      local result = problem == nil or problem == NOT_REACHED and NOT_REACHED
      results[case.way.name .. "\0" .. case.point .. "\0" .. case.what] = result
      if result == NOT_REACHED then late = late + 1 end
      local text = ("%s, %s, %s: "):format(case.way.name, case.point, case.what)
      for id, who in pairs(made) do images[id] = text .. who .. ": " end
      if not result then wrong[#wrong + 1] = text .. problem end
    end)
    for id in pairs(matrix.orphans()) do
      wrong[#wrong + 1] = (images[id] or "somewhere: ") .. "data is left behind, rbd_data." .. id
    end
    if ALL then write_table(points, results) end
    if watches.dropped > 0 then print(watches.dropped .. " times an OSD kept the watch of a dead client") end
    assert.same({}, wrong)
    -- A few points depend on how often something was asked for.
    assert.is_true(late <= #cases // 20 + 1, ("%d of %d points were not reached"):format(late, #cases))
  end)
end)
