--- siphon doctor: what works here and what does not.

local exit = require "siphon.cli.exit"
local json = require "siphon.json"
local openstack = require "siphon.cli.openstack"
local options = require "siphon.cli.options"
local system = require("siphon.core").system

local command = {}

local STDOUT = 1
local WIDTH, NARROWEST = 110, 60

local function parser()
  local p = options.parser("doctor", "Looks at all that a copy needs, by trying it, and says what to do about what "
    .. "does not work.")
  p:group("What to look at",
    p:option("--pool", "A pool that matters; may be repeated (default: all that are open to this user)."):argname "POOL"
      :count "*",
    p:flag("--trial", "Also copy a volume of 4 MiB to Glance, read it there, and remove all of it again."),
    p:option("--images-pool", "The pool of Glance's images, where Glance does not tell it.")
      :argname "POOL")
  p:group("Output",
    p:flag("--json", "Print one finding a line, as JSON."),
    p:flag("-v --verbose", "Say more when it fails."))
  options.ceph(p)
  openstack.cloud(p)
  return p:epilog [[
In each pool an object named siphon.doctor.* is written and removed. The exit code is 0 when there is no
problem, 69 otherwise; warnings do not count.]]
end

-- The text in a column that begins at `indent`.
local function wrap(text, width, indent)
  return table.concat(require("siphon.pretty").wrap(text, width - indent), "\n" .. (" "):rep(indent))
end

local COLOURS = { ok = "32", warning = "33", problem = "31;1", skipped = "2" }
local STATE_WIDTH, WHAT_WIDTH = 9, 16

local function painter()
  local colour = system.isatty(STDOUT) and (os.getenv "NO_COLOR" or "") == "" and os.getenv "TERM" ~= "dumb"
  return function(state)
    local text = state .. (" "):rep(STATE_WIDTH - #state)
    return colour and ("\27[%sm%s\27[0m"):format(COLOURS[state], text) or text
  end
end

local function print_findings(list)
  local paint = painter()
  local width = math.max(NARROWEST, math.min(WIDTH, (system.width(STDOUT) or WIDTH) - 1))
  local area
  for _, finding in ipairs(list) do
    if finding.area ~= area then io.write(finding.area, "\n") end
    area = finding.area
    local indent = 2 + STATE_WIDTH + WHAT_WIDTH
    local what = finding.what .. (" "):rep(WHAT_WIDTH - #finding.what - 1)
    io.write("  ", paint(finding.state), what, " ", wrap(finding.text, width, indent), "\n")
    if finding.advice then io.write((" "):rep(indent), wrap("-> " .. finding.advice, width, indent + 3), "\n") end
  end
end

local function count(list, state)
  local n = 0
  for _, finding in ipairs(list) do n = n + (finding.state == state and 1 or 0) end
  return n
end

--- Runs the command; returns the exit code or raises.
function command.main(arguments, leading)
  return options.run(parser(), arguments, leading, function(parsed)
    local list = require("siphon.doctor").examine {
      conf = parsed.conf, cluster = parsed.cluster, id = parsed.id, name = parsed.name, keyring = parsed.keyring,
      os_cloud = parsed.os_cloud, os_region_name = parsed.os_region_name, os_interface = parsed.os_interface,
      os_service_cloud = parsed.os_service_cloud, pools = #parsed.pool > 0 and parsed.pool or nil,
      trial = parsed.trial, images_pool = parsed.images_pool,
    }
    local problems, warnings = count(list, "problem"), count(list, "warning")
    if parsed.json then
      for _, finding in ipairs(list) do io.write(json.encode(finding), "\n") end
    else
      print_findings(list)
      io.write(problems == 0 and warnings == 0 and "all is well\n"
        or ("%d problem%s, %d warning%s\n"):format(problems, problems == 1 and "" or "s", warnings,
          warnings == 1 and "" or "s"))
    end
    return problems > 0 and exit.UNAVAILABLE or exit.OK
  end)
end

return command
