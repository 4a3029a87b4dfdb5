--- The report as one HTML page: no script, nothing from the network (its own policy forbids both), every bar beside the
-- text that says the same.

local advice = require "siphon.advice"
local core = require "siphon.core"
local errors = require "siphon.errors"
local html = require "siphon.report.html"
local model = require "siphon.report.model"
local units = require "siphon.units"

local page = {}

local tag = html.tag

-- --- words ------------------------------------------------------------------------------------------------

-- Names are whatever their owners chose: one that is written from right to left must not turn its surroundings.
local function name(text)
  return tag("bdi", {}, text)
end

local function clock(time)
  return tag("time", { datetime = os.date("!%Y-%m-%dT%H:%M:%SZ", math.floor(time)) },
    os.date("%H:%M:%S", math.floor(time)))
end

local function date(time)
  return os.date("%Y-%m-%d %H:%M:%S", math.floor(time))
end

local function plural(count, what)
  return ("%d %s%s"):format(count, what, count == 1 and "" or "s")
end

-- Text in which `commands` are marked as such.
local function with_commands(text)
  local parts, from = {}, 1
  for before, command, after in text:gmatch "([^`]*)`([^`]*)`()" do
    parts[#parts + 1] = before
    parts[#parts + 1] = tag("code", {}, command)
    from = after
  end
  parts[#parts + 1] = text:sub(from)
  return parts
end

local function badge(state)
  return tag("span", { class = "badge " .. state:match "^%l+" }, state)
end

-- --- bars -------------------------------------------------------------------------------------------------

local LEAST = 3 -- pixels of a bar: also what took no time is seen

local function percent(fraction)
  return ("%.3f%%"):format(100 * fraction)
end

local function place(from, to)
  return ("left:min(%s,100%% - %dpx);width:max(%dpx,%s)"):format(percent(from), LEAST, LEAST, percent(to - from))
end

local function bar_class(line)
  local class = "bar " .. (line.state == "failed" and "failed-step" or line.phase)
  return line.state == "cut off" and class .. " cut-off" or class
end

local function bars(axis, lines)
  local list = {}
  for _, line in ipairs(lines) do
    if line.from then
      list[#list + 1] = tag("i", { class = bar_class(line), style = place(axis:at(line.from), axis:at(line.to)) })
    end
  end
  return list
end

local function gaps(axis)
  local list = {}
  for i, cut in ipairs(axis:cuts()) do
    list[i] = tag("i", { class = "gap", style = ("left:%s;width:%s"):format(percent(cut.at), percent(cut.width)) })
  end
  return list
end

local NEAREST = 0.2 -- of the width, between two marks

local function marks(axis)
  local list, last = {}, -1
  for _, tick in ipairs(axis:ticks()) do
    if tick.at - last >= NEAREST then
      local style = tick.at > 0.9 and "right:" .. percent(1 - tick.at) or "left:" .. percent(tick.at)
      list[#list + 1] = tag("span", { style = style }, tick.text)
      last = tick.at
    end
  end
  return tag("div", { class = "axis", ["aria-hidden"] = "true" }, tag("div", {}, list))
end

local PHASE_TEXT = {
  source = "at the source", bytes = "the bytes", image = "the image", glance = "Glance", undo = "taken or given back",
}

local function legend(has_cuts)
  local list = {}
  for i, phase in ipairs(model.PHASES) do
    list[i] = tag("li", {}, tag("i", { class = phase, ["aria-hidden"] = "true" }), PHASE_TEXT[phase])
  end
  list[#list + 1] = tag("li", {}, tag("i", { class = "failed-step", ["aria-hidden"] = "true" }), "failed")
  list[#list + 1] = tag("li", {}, tag("i", { class = "bytes cut-off", ["aria-hidden"] = "true" }),
    "cut off: drawn to when somebody took over")
  if has_cuts then list[#list + 1] = tag("li", {}, "a blank: a long time in which nothing happened") end
  return tag("ul", { class = "legend" }, list)
end

-- --- the whole --------------------------------------------------------------------------------------------

local STATES = { "done", "running", "abandoned", "failed", "undone" }

local function states_text(states)
  local parts = {}
  for _, state in ipairs(STATES) do
    if states[state] then parts[#parts + 1] = ("%d %s"):format(states[state], state) end
  end
  return table.concat(parts, ", ")
end

local function tile(term, value, remark)
  return tag("div", {}, tag("dt", {}, term), tag("dd", {}, value, remark and tag("small", {}, remark)))
end

local function tiles(report)
  local totals = report.totals
  return tag("dl", { class = "tiles" },
    tile(#report.jobs == 1 and "Job" or "Jobs", tostring(#report.jobs), states_text(totals.states)),
    tile("Made", units.bytes(totals.size), "of images that are complete"),
    tile("Through siphon's hosts", units.bytes(totals.through_host), "read and written, counted"),
    totals.usual > 0 and tile("The usual way", "about " .. units.bytes(totals.usual),
      "would have moved through hosts (calculated, for Cinder's upload-to-image)"))
end

local function lanes(report)
  local list = {}
  for i, view in ipairs(report.jobs) do
    local job = view.job
    list[i] = tag("li", {},
      tag("div", { class = "who" },
        tag("a", { href = "#" .. job.id }, name(job.source or "?"), " \u{2192} ", name(job.target or "?")),
        badge(job.state)),
      tag("span", { class = "track", role = "img",
        ["aria-label"] = ("%s to %s, %s"):format(date(view.began), date(view.ended), job.state) },
        gaps(report.axis), bars(report.axis, view.lines)))
  end
  return tag("section", { class = "card", ["aria-labelledby"] = "timeline" },
    tag("h2", { id = "timeline" }, "Timeline"),
    tag("p", { class = "soft" }, "Since ", date(report.jobs[1].began and report.axis.from), "."),
    tag("ul", { class = "lanes" }, list), marks(report.axis), legend(#report.axis:cuts() > 0))
end

-- --- one job ----------------------------------------------------------------------------------------------

local function fact(term, value)
  return value and tag("div", {}, tag("dt", {}, term), tag("dd", {}, value))
end

local function facts(view)
  local job = view.job
  return tag("dl", { class = "facts" },
    fact("Job", tag("code", {}, job.id)),
    fact("Begun", date(view.began)),
    fact("Took", units.duration(view.ended - view.began)),
    fact("Route", job.route),
    fact(job.image_id and "Glance image", job.image_id and tag("code", {}, job.image_id)),
    fact("Size", job.bytes and job.bytes.size and units.bytes(job.bytes.size)),
    fact("Holder", name(advice.holder(job) or "nobody")),
    fact("Record", name("in pool " .. job.journal)))
end

local function error_box(job)
  local err = job.error
  if not err or job.state == "done" then return false end
  local from = { "Code ", tag("code", {}, err.code) }
  if err.op then from[#from + 1] = { ", in ", tag("code", {}, err.op) } end
  if err.http then
    from[#from + 1] = (", HTTP status %s, request %s"):format(tostring(err.http.status or "none"),
      tostring(err.http.request_id or "without an id"))
  end
  local causes, cause = {}, err.cause
  while cause do
    causes[#causes + 1] = tag("p", {}, "because: ", errors.line(cause))
    cause = cause.cause
  end
  return tag("div", { class = "error", role = "note" }, tag("p", {}, tag("strong", {}, with_commands(err.message))),
    tag("p", {}, from, err.retryable and "; it may work at another time" or "", "."), causes)
end

local function advice_box(job)
  local text = advice.next(job)
  return text and tag("p", { class = "advice" }, with_commands(text), ".")
end

local UNKNOWN = { ["cut off"] = "unknown", running = "so far" }

local function took(line)
  if line.kind ~= "step" then return "" end
  return line.seconds and units.duration(line.seconds) or UNKNOWN[line.state] or ""
end

local function step_row(view, line)
  local wrong = line.state == "failed" or line.state == "cut off" or line.state == "kept"
  if not line.from then
    local class = line.kind == "end" and line.state ~= "done" and "told wrong" or "told note"
    return tag("li", {}, clock(line.time), tag("span", { class = class }, name(line.text)))
  end
  return tag("li", {}, clock(line.time), tag("span", { class = wrong and "text wrong" or "text" }, name(line.text)),
    tag("span", { class = "took" }, took(line)),
    tag("span", { class = "track", ["aria-hidden"] = "true" }, gaps(view.axis), bars(view.axis, { line })))
end

local function steps(view)
  local rows = {}
  for i, line in ipairs(view.lines) do rows[i] = step_row(view, line) end
  if #rows == 0 then return tag("p", { class = "soft" }, "Nothing is on record.") end
  return tag("ol", { class = "steps" }, rows)
end

local ROUTE_STATES = { chosen = "taken", skipped = "does not apply", unsuitable = "begun, and given up" }

local function routes(view)
  if #view.routes == 0 then return false end
  local list = {}
  for i, tried in ipairs(view.routes) do
    list[i] = tag("li", {}, tag("b", {}, tried.route), " ", ROUTE_STATES[tried.state] or tried.state or "",
      tried.reason and ": " or "", name(tried.reason or ""))
  end
  return { tag("h3", {}, "Routes"), tag("ul", { class = "routes" }, list) }
end

local function share(class, who, bytes, most)
  return tag("li", { class = class }, tag("span", {}, who),
    tag("span", { class = "much" }, units.bytes(bytes)),
    tag("span", { class = "track", ["aria-hidden"] = "true" },
      tag("i", { class = "bar", style = place(0, bytes / most) })))
end

local function shares(view)
  if #view.moved == 0 and not view.usual and not view.is_short then return false end
  local most, list = view.usual or 1, {}
  for _, moved in ipairs(view.moved) do most = math.max(most, moved.bytes) end
  for _, moved in ipairs(view.moved) do
    local who = { moved.who, not moved.counted and tag("span", { class = "soft" }, " (about; calculated)") }
    list[#list + 1] = share(not moved.counted and "calculated" or false, who, moved.bytes, most)
  end
  if view.usual then
    list[#list + 1] = share("usual calculated",
      { "Cinder's upload-to-image", tag("span", { class = "soft" }, " would move about (calculated)") }, view.usual,
      most)
  end
  return {
    tag("h3", {}, "Bytes, by who moved them"), tag("ul", { class = "shares" }, list),
    view.is_short and tag("p", { class = "soft" }, "What a step moved that failed or was cut off is not counted."),
  }
end

local function texts(lines)
  local list = {}
  for i, line in ipairs(lines) do list[i] = tag("li", {}, name(line.text)) end
  return tag("ul", { class = "plain" }, list)
end

-- What can be said about the undo of a job in each state.
local function undo_text(view)
  local effects, state = view.effects, view.job.state
  local left = #effects.kept > 0 and ("; %d could not be, and %s left behind"):format(#effects.kept,
    #effects.kept == 1 and "is" or "are") or ""
  if state == "done" then
    return "The image is there" .. (#effects.kept > 0 and ". Not given back:" or ", and nothing is left to undo.")
  end
  if state == "running" then return "On record, should it fail: what takes back each of these." end
  if state == "abandoned" then return "On record, and not taken back yet:" end
  if #effects.undone == 0 and left == "" then return "Nothing had to be taken back." end
  local were = #effects.undone == 1 and "was" or "were"
  return ("%s %s taken back, in reverse%s."):format(plural(#effects.undone, "step"), were, left)
end

local function undo(view)
  local open = view.job.state == "abandoned" or view.job.state == "running"
  local lines = open and view.effects.pending or view.effects.kept
  return { tag("h3", {}, "Undo"), tag("p", {}, undo_text(view)), #lines > 0 and texts(lines) }
end

local function section(view)
  local job = view.job
  return tag("section", { class = "card", ["aria-labelledby"] = job.id },
    tag("div", { class = "head" },
      tag("h2", { id = job.id }, name(job.source or "?"), " \u{2192} ", name(job.target or "?")), badge(job.state)),
    facts(view), error_box(job), advice_box(job), tag("h3", {}, "What happened"), steps(view), routes(view),
    shares(view), undo(view))
end

--- The page for the jobs that siphon.jobs.stories gave, at least one: text. now: seconds since 1970.
function page.of(jobs, now)
  local report = model.of(jobs, now)
  local sections = {}
  for i, view in ipairs(report.jobs) do sections[i] = section(view) end
  local made = date(report.made) .. os.date(" %z")
  return html.document({
    tag("meta", { charset = "utf-8" }),
    tag("meta", { ["http-equiv"] = "Content-Security-Policy",
      content = "default-src 'none'; style-src 'unsafe-inline'" }),
    tag("meta", { name = "viewport", content = "width=device-width, initial-scale=1" }),
    tag("title", {}, ("siphon report: %s"):format(plural(#jobs, "job"))),
    html.style(require "siphon.report.style"),
  }, {
    tag("header", {}, tag("h1", {}, "siphon report"),
      tag("p", { class = "soft" }, ("%s, as on record on %s"):format(plural(#jobs, "job"), made)), tiles(report)),
    tag("main", {}, lanes(report), sections,
      tag("footer", {}, ("Made by siphon %s. Times are those of the host that made this page; durations are measured, "
        .. "and what is about or calculated says so."):format(core.version))),
  })
end

return page
