--- The fenced blocks of a document, run as its reader would run them: in order, each section in a shell of its own.
--
--   ```sh        commands that have to succeed
--   ```console   lines that begin with "$ " are commands; what follows is compared with what they print, but for what
--                differs from run to run (ids, times, hosts, addresses). A line "..." stands for any lines, "…" for
--                any text. A command that shows nothing only has to succeed. A block without a language is one, too.
--   ```lua NAME  the file of that name
--   ```ini       settings of glance-api.conf, which Glance is restarted with
--
-- A block below a line "*Not run by the tests: WHY*" is not run. What a section needs that the reader has no need of (a
-- process that is killed, a volume) is in comments: "<!-- bed", lines of shell, "-->".

local command = require "support.command"

local snippets = {}

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

--- The sections of a document that have something to run: { title, blocks }; a block: { kind ("bed", "sh", "console",
-- "lua", "ini"), name, text, line, not_run (the reason) }.
function snippets.of(path)
  local sections, section, block, mark, number = {}, { title = path, blocks = {} }, nil, nil, 0
  sections[1] = section
  for line in (read(path) .. "\n"):gmatch "([^\n]*)\n" do
    number = number + 1
    if block then
      if line == block.stop then
        block.text = table.concat(block.lines, "\n") .. "\n"
        section.blocks[#section.blocks + 1] = block
        block = nil
      else
        block.lines[#block.lines + 1] = line
      end
    elseif line == "<!-- bed" then
      block = { kind = "bed", lines = {}, line = number, stop = "-->" }
    elseif line:find "^```" then
      local kind, name = line:match "^```(%w*) ?(.*)$"
      block = { kind = kind == "" and "console" or kind, name = name, lines = {}, line = number, stop = "```",
        not_run = mark }
    elseif line:find "^##" then
      section = { title = line:match "^#+ (.*)$", blocks = {} }
      sections[#sections + 1] = section
    end
    if line ~= "" and not block then mark = line:match "^%*Not run by the tests: (.*)%*$" end
  end
  local list = {}
  for _, each in ipairs(sections) do
    if #each.blocks > 0 then list[#list + 1] = each end
  end
  return list
end

-- --- the shell --------------------------------------------------------------------------------------------

-- The commands of a console block: { command, shown }.
local function commands_of(text)
  local list, last = {}, nil
  for line in text:gmatch "([^\n]*)\n" do
    local begun = line:match "^%$ (.*)$"
    if begun then
      last = { command = begun, shown = {} }
      list[#list + 1] = last
    elseif last and last.command:find "\\$" then
      last.command = last.command .. "\n" .. line
    elseif last then
      last.shown[#last.shown + 1] = line
    end
  end
  return list
end

local function settings_of(text)
  local words, group = {}, "DEFAULT"
  for line in text:gmatch "([^\n]*)\n" do
    group = line:match "^%[([%w_]+)%]$" or group
    local key, value = line:match "^([%w_]+)%s*=%s*([^#]-)%s*$"
    if key then words[#words + 1] = "--set " .. command.quote(("%s.%s=%s"):format(group, key, value)) end
  end
  return ("testbed glance --dir %s %s >/dev/null"):format(command.quote(os.getenv "TESTBED_DIR"),
    table.concat(words, " "))
end

-- Begins the output of step N, and ends it with its exit code.
local STEP = "printf '\\001%d\\n'; set -e\n%s\nset +e; printf '\\002%d 0\\n'\n"
local STEP_THAT_MAY_FAIL = "printf '\\001%d\\n'\n%s\nprintf '\\002%d %%d\\n' $?\n"

-- The section as a script, and what is expected of its steps.
local function script_of(section)
  local parts, steps = {}, {}
  local function step(line, text, shown)
    steps[#steps + 1] = { line = line, text = text, shown = shown }
    parts[#parts + 1] = (shown and STEP_THAT_MAY_FAIL or STEP):format(#steps, text, #steps)
  end
  for _, block in ipairs(section.blocks) do
    if block.not_run then
      goto next
    elseif block.kind == "console" then
      for _, each in ipairs(commands_of(block.text)) do
        step(block.line, each.command, #each.shown > 0 and each.shown or nil)
      end
    elseif block.kind == "ini" then
      step(block.line, settings_of(block.text))
    elseif block.kind == "lua" then
      step(block.line, ("cat >%s <<'END OF THE FILE'\n%sEND OF THE FILE"):format(command.quote(block.name), block.text))
    else
      step(block.line, block.text)
    end
    ::next::
  end
  return table.concat(parts), steps
end

-- --- what was printed -------------------------------------------------------------------------------------

-- What differs from run to run, made alike.
local function plain(line)
  line = line:gsub("%x%x%x%x%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x", "UUID")
  line = line:gsub("%d%d%d%d%d%d%d%d%-%d%d%d%d%d%d%-%x%x%x%x%x%x", "JOB")
  line = line:gsub("%d%d%d%d%-%d%d%-%d%d %d%d:%d%d:%d%d", "TIME")
  line = line:gsub("[%w%-]+ %(pid %d+, user %w+%)", "HOLDER")
  line = line:gsub("%d+ min %d+ s%f[%W]", "SECONDS"):gsub("%d+%.?%d* s%f[%W]", "SECONDS")
  line = line:gsub("127%.0%.0%.1:[%d:/]+", "ADDRESS")
  return (line:gsub("%s+", " "):gsub(" $", ""))
end

local function is_progress(line)
  return line:find ": %d+%%, [%d.]+ %w+ of " ~= nil
end

local function lines_of(list)
  local lines = {}
  for _, line in ipairs(list) do
    if not is_progress(line) then lines[#lines + 1] = plain(line) end
  end
  while lines[#lines] == "" do lines[#lines] = nil end
  return lines
end

local function matches(expected, line)
  local pattern = plain(expected):gsub("…", "\1"):gsub("%p", "%%%0"):gsub("\1", ".*")
  return line:find("^" .. pattern .. "$") ~= nil
end

--- Whether the lines printed are those expected; "..." stands for any number of lines.
function snippets.agree(expected, printed)
  local want, got = lines_of(expected), lines_of(printed)
  local function from(i, j)
    if i > #want then return j > #got end
    if want[i] == "..." then
      for k = j, #got + 1 do
        if from(i + 1, k) then return true end
      end
      return false
    end
    return j <= #got and matches(want[i], got[j]) and from(i + 1, j + 1)
  end
  return from(1, 1)
end

-- { lines, code } of each step that was begun.
local function results_of(output)
  local results, current = {}, nil
  for line in (output .. "\n"):gmatch "([^\n]*)\n" do
    local begun, ended, code = line:match "\1(%d+)$", line:match "\2(%d+) %d+$", line:match "\2%d+ (%d+)$"
    if begun then
      current = { lines = {} }
      results[tonumber(begun)] = current
    elseif ended then
      local rest = line:match "^(.*)\2"
      if rest ~= "" then current.lines[#current.lines + 1] = rest end
      current.code = tonumber(code)
    elseif current then
      current.lines[#current.lines + 1] = line
    end
  end
  return results
end

-- --- running ----------------------------------------------------------------------------------------------

--- A directory to run in, with what the reader has on PATH: siphon, and the tools of Ceph as an admin has them.
function snippets.directory()
  local directory = command.shell "mktemp -d":match "%S+"
  local bin = directory .. "/bin"
  local root = command.shell "pwd":match "%S+"
  command.shell("mkdir " .. bin)
  local function wrapper(name, line)
    local path = bin .. "/" .. name
    local file <close> = assert(io.open(path, "w"))
    -- With a PATH that these wrappers are not on.
    file:write("#!/bin/bash\nPATH=/usr/sbin:/usr/bin:/sbin:/bin exec ", line, ' "$@"\n')
    command.shell("chmod +x " .. path)
  end
  local program = command.program:sub(1, 1) == "/" and command.program or root .. "/" .. command.program
  wrapper("siphon", program)
  wrapper("testbed", root .. "/tests/testbed/testbed")
  for _, tool in ipairs { "ceph", "rbd" } do
    wrapper(tool, ("%s/tests/testbed/testbed admin --dir %s %s"):format(root, os.getenv "TESTBED_DIR", tool))
  end
  wrapper("forget", root .. "/tests/support/forget.sh")
  command.shell(("ln -s %s/tests/support/stopped.sh %s/stopped"):format(root, bin))
  return directory
end

--- Runs a section in the directory; nil, or what went wrong.
function snippets.run(section, directory)
  local script, steps = script_of(section)
  local path = directory .. "/section.sh"
  local file = assert(io.open(path, "w"))
  file:write(script)
  file:close()
  local line = "cd %s && PATH=%s/bin:$PATH HOME=%s timeout -k 10 900 bash section.sh 2>&1 </dev/null"
  local pipe <close> = assert(io.popen(line:format(directory, directory, directory)))
  local output = pipe:read "a"
  local results = results_of(output)
  for number, step in ipairs(steps) do
    local result = results[number]
    local place = ("%s, the block at line %d: %s"):format(section.title, step.line, step.text)
    if not result then return place .. ": was not come to:\n" .. output end
    local printed = table.concat(result.lines, "\n")
    if not step.shown and result.code ~= 0 then return ("%s: failed:\n%s"):format(place, printed) end
    if step.shown and not snippets.agree(step.shown, result.lines) then
      return ("%s:\nshown:\n%s\nprinted:\n%s"):format(place, table.concat(step.shown, "\n"), printed)
    end
  end
end

return snippets
