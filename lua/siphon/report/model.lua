--- What a report shows, as plain data out of the jobs that siphon.jobs.stories gives: when each thing happened, which
-- routes were tried, who moved the bytes, what became of what was done.

local axis = require "siphon.report.axis"
local core = require "siphon.core"
local movers = require "siphon.movers"

local model = {}

--- The phases that a step may belong to, in the order of the legend.
model.PHASES = { "source", "bytes", "image", "glance", "undo" }

local MOVES_BYTES = {
  ["target.copy"] = true, ["target.deep_copy"] = true, ["target.flatten"] = true, ["source.hash"] = true,
  ["scratch.convert"] = true, ["glance.upload"] = true,
}

local function phase_of(line)
  if line.kind == "undo" then return "undo" end
  if MOVES_BYTES[line.step] then return "bytes" end
  local area = line.step:match "^%l+"
  return (area == "source" or area == "glance") and area or "image"
end

-- When a step without a duration was over: one that was cut off when somebody took the job over, which is the first
-- that is known of it again; one that still runs now.
local function end_of(lines, i, now)
  if lines[i].seconds then return lines[i].time + lines[i].seconds end
  if lines[i].state == "running" then return now end
  for following = i + 1, #lines do
    if lines[following].kind == "holder" then return lines[following].time end
  end
  return lines[i].time
end

-- The lines of the story, those that are drawn with phase, from and to.
local function lines_of(job, now)
  local lines = {}
  for i, told in ipairs(job.story) do
    local line = {}
    for key, value in pairs(told) do line[key] = value end
    if line.kind == "end" and line.state ~= "done" then line.text = "ended: " .. line.state end -- why has its own place
    if line.kind == "step" and line.step then
      line.phase, line.from, line.to = phase_of(line), line.time, math.max(line.time, end_of(job.story, i, now))
    elseif line.kind == "undo" then
      line.phase, line.from, line.to = "undo", line.time, line.time
    end
    lines[i] = line
  end
  return lines
end

local function routes_of(job)
  local list = {}
  for _, line in ipairs(job.story) do
    if line.kind == "route" then list[#list + 1] = { route = line.route, state = line.state, reason = line.reason } end
  end
  return list
end

-- What became of the steps that have an undo: taken back, given back, left behind, or still on record.
local function effects_of(job)
  local effects, settled = { undone = {}, released = {}, kept = {}, pending = {} }, {}
  for i = #job.story, 1, -1 do
    local line = job.story[i]
    if line.kind == "undo" then
      settled[line.step] = true
      table.insert(effects[line.state], 1, line)
    elseif line.kind == "step" and line.undo and not settled[line.step] then
      table.insert(effects.pending, 1, line)
    end
  end
  return effects
end

local function through_host(moved)
  for _, entry in ipairs(moved) do
    if entry.who == movers.HOST then return entry.bytes end
  end
  return 0
end

-- Whether a step that moved bytes did not live to tell how many.
local function is_short(lines)
  for _, line in ipairs(lines) do
    if line.phase == "bytes" and (line.state == "cut off" or line.state == "failed") then return true end
  end
  return false
end

local function usual_of(job)
  local bytes = job.image_id and job.state == "done" and job.bytes
  return bytes and bytes.size and movers.usual(bytes) or nil
end

local function view_of(job, now)
  local began, ended = job.started or job.updated or now, job.updated or now
  local view = {
    job = job, lines = lines_of(job, now), routes = routes_of(job), effects = effects_of(job),
    moved = movers.of(job), usual = usual_of(job), intervals = {},
  }
  for _, line in ipairs(view.lines) do
    began, ended = math.min(began, line.from or line.time), math.max(ended, line.to or line.time)
    if line.from then view.intervals[#view.intervals + 1] = { from = line.from, to = line.to } end
  end
  table.insert(view.intervals, { from = began, to = began })
  table.insert(view.intervals, { from = ended, to = ended })
  view.began, view.ended, view.axis = began, ended, axis.new(view.intervals)
  view.through_host, view.is_short = through_host(view.moved), is_short(view.lines)
  return view
end

-- The sums over all jobs. usual: only of those for which it is known, and what these moved through this host.
local function totals_of(views)
  local totals = { states = {}, size = 0, through_host = 0, usual = 0 }
  for _, view in ipairs(views) do
    local state = view.job.state
    totals.states[state] = (totals.states[state] or 0) + 1
    totals.through_host = totals.through_host + view.through_host
    if state == "done" then totals.size = totals.size + (view.job.bytes and view.job.bytes.size or 0) end
    totals.usual = totals.usual + (view.usual or 0)
  end
  return totals
end

--- The report on these jobs, at least one: { jobs, axis, totals, made }. now: seconds since 1970.
function model.of(jobs, now)
  now = now or core.system.time()
  local views, intervals = {}, {}
  for i, job in ipairs(jobs) do
    views[i] = view_of(job, now)
    for _, one in ipairs(views[i].intervals) do intervals[#intervals + 1] = { from = one.from, to = one.to } end
  end
  return { jobs = views, axis = axis.new(intervals), totals = totals_of(views), made = now }
end

return model
