--- siphon report ID...: what happened in jobs, as one HTML page.

local errors = require "siphon.errors"
local options = require "siphon.cli.options"
local system = require("siphon.core").system

local command = {}

local STDOUT = 1

local function parser()
  local p = options.parser("report", "Makes one HTML page about jobs: what happened when, by which route, who moved "
    .. "the bytes, what went wrong and what was undone. It needs no network.")
  p:argument("job", "As `siphon jobs --all` lists them."):args "*"
  p:group("What",
    p:flag("--all", "All jobs, as far as the history goes."),
    options.journal_pool(p))
  p:group("Output",
    p:option("-o --output", "Where the page goes (default: stdout)."):argname "FILE")
  options.ceph(p)
  return p
end

local function check(parsed)
  if (parsed.all or false) == (#parsed.job > 0) then
    errors.raise("usage", nil, parsed.all and "--all takes no job: leave one of the two out"
      or "which job? Name some, or say --all (`siphon jobs --all` lists them)")
  end
  if not parsed.output and system.isatty(STDOUT) then
    errors.raise("usage", nil, "a page of HTML is of no use on a terminal: name a file with -o FILE")
  end
end

-- Whole, or not at all: the page is renamed into its place.
local function save(path, text)
  local scratch = ("%s.%d"):format(path, system.pid())
  local file, problem = io.open(scratch, "wb")
  local ok = file
  if file then
    ok, problem = file:write(text)
    local closed, late = file:close()
    ok, problem = ok and closed, problem or late
  end
  if ok then ok, problem = os.rename(scratch, path) end
  if ok then return end
  if file then os.remove(scratch) end
  errors.raise("report.write", "report.write", ("the report cannot be written: %s; choose another place with -o")
    :format(problem))
end

--- Runs the command; returns the exit code or raises.
function command.main(arguments, leading)
  return options.run(parser(), arguments, leading, function(parsed)
    check(parsed)
    local told, err = require("siphon.jobs").stories(not parsed.all and parsed.job or nil, options.caller(parsed))
    if not told then error(err, 0) end
    if #told == 0 then errors.raise("job.not_found", nil, "there is no job in any journal that this user can read") end
    local text = require("siphon.report.page").of(told)
    if not parsed.output then return io.stdout:write(text) and 0 end
    save(parsed.output, text)
    io.write(("report on %d job%s: %s\n"):format(#told, #told == 1 and "" or "s", parsed.output))
    return 0
  end)
end

return command
