--- Who moved the bytes of a job: the OSDs, siphon's host, ceph-mgr, glance-api; and what the usual way would have
-- moved. Each byte that is read counts, and each that is written. Pure functions on numbers.

local movers = {}

--- The host that siphon ran on.
movers.HOST = "siphon's host"

--- All there are, in the order in which they are shown.
movers.NAMES = { "the OSDs", movers.HOST, "ceph-mgr", "glance-api" }

-- Adds what one step moved. `counted`: by siphon itself; what others move is calculated from what there was to move.
local function add(moved, who, bytes, counted)
  if bytes <= 0 then return end
  local entry = moved[who] or { who = who, bytes = 0, counted = counted }
  entry.bytes = entry.bytes + bytes
  moved[who] = entry
end

local function of_step(moved, route, line)
  local copied, here = line.bytes.copied, line.bytes.through_host
  add(moved, movers.HOST, here, true)
  if line.step == "glance.upload" then
    add(moved, "glance-api", copied, false) -- what it got from here it wrote to its store
  elseif route == "osd_copy" and line.step == "target.copy" then
    add(moved, "the OSDs", copied, true)
  elseif line.step == "target.map" then
    add(moved, "ceph-mgr", 2 * copied, false) -- it flattened a clone: read and wrote each object
  end
end

--- Of a job with its story (see siphon.jobs): a list of { who, bytes, counted }, the largest share first.
function movers.of(job)
  local moved, list = {}, {}
  for _, line in ipairs(job.story) do
    if line.bytes then of_step(moved, job.route, line) end
  end
  for _, who in ipairs(movers.NAMES) do list[#list + 1] = moved[who] end
  table.sort(list, function(a, b)
    if a.bytes ~= b.bytes then return a.bytes > b.bytes end
    return a.who < b.who
  end)
  return list
end

--- What Cinder's upload-to-image moves through hosts for the same image: it reads what exists into a file, sends all of
-- the volume to glance-api, and that writes it to Ceph. Nil where it is not known what exists.
function movers.usual(bytes)
  return bytes.allocated and bytes.allocated + 2 * bytes.size
end

return movers
