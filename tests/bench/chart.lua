--- A bar chart as SVG: for each case, the wall time of each method as a part of the slowest.

local chart = {}

local WIDTH, LABEL, BAR, GAP = 760, 250, 14, 26
local COLOURS = {
  siphon = "#1b7837", unverified = "#7fbf7b", cp = "#762a83", deep_cp = "#9970ab", flatten = "#c2a5cf", export = "#b2abd2",
  upload = "#e08214",
}

local function text(x, y, words, style)
  return ('<text x="%d" y="%d" %s>%s</text>'):format(x, y, style or "", (words:gsub("&", "&amp;"):gsub("<", "&lt;")))
end

local function bars(result, methods, medians, y)
  local parts, slowest, rows = { text(0, y, result.case.title, 'font-weight="bold"') }, 0, {}
  for _, name in ipairs(result.case.methods) do
    local list = result.figures[name]
    local late = list and list[1].late
    local row = list and (late and { wall = late } or medians(list))
    if row then
      rows[#rows + 1] = { name = name, wall = row.wall, late = late }
      slowest = math.max(slowest, row.wall)
    end
  end
  for _, row in ipairs(rows) do
    y = y + BAR + 3
    local width = math.max(1, math.floor(row.wall / slowest * (WIDTH - LABEL - 90)))
    parts[#parts + 1] = text(0, y, methods[row.name].title)
    parts[#parts + 1] = ('<rect x="%d" y="%d" width="%d" height="%d" fill="%s"/>'):format(LABEL, y - BAR + 3, width, BAR,
      COLOURS[row.name])
    parts[#parts + 1] = text(LABEL + width + 6, y, (row.late and "more than %d s" or "%.2f s"):format(row.wall))
  end
  return table.concat(parts, "\n"), y + GAP
end

--- medians: a function from a method's runs to { wall = }.
function chart.of(results, methods, medians)
  local parts, y = {}, 20
  for _, result in ipairs(results) do
    local drawn
    drawn, y = bars(result, methods, medians, y)
    parts[#parts + 1] = drawn
  end
  return ([[<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">
<rect width="100%%" height="100%%" fill="white"/>
<g transform="translate(10,0)">
%s
</g>
</svg>
]]):format(WIDTH + 20, y, table.concat(parts, "\n"))
end

return chart
