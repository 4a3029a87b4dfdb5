-- What the README and the other documents name is there: commands, options, make targets, files, headings. No cluster.

local command = require "support.command"

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

local function exists(path)
  return command.shell(("test -e '%s' && echo yes || true"):format(path)) ~= ""
end

-- The anchors of a document's headings, as GitHub makes them.
local function headings(text)
  local anchors = {}
  for heading in ("\n" .. text):gmatch "\n#+ ([^\n]+)" do
    anchors[heading:lower():gsub("[^%w%s_-]", ""):gsub("%s", "-")] = true
  end
  return anchors
end

local function documents()
  local list = {}
  for path in command.shell("ls *.md docs/*.md examples/*.md examples/*/*.md tests/testbed/*.md 2>/dev/null || true")
    :gmatch "[^\n]+" do
    list[#list + 1] = path
  end
  return list
end

-- What a document says in code: its blocks' lines, and the words between backticks.
local function code_of(text)
  local code, block = {}, false
  for line in text:gmatch "[^\n]+" do
    if line:find "^```" then
      block = not block
    elseif block then
      code[#code + 1] = line:gsub("^%$ ", "")
    else
      for words in line:gmatch "`([^`]+)`" do code[#code + 1] = words end
    end
  end
  return code
end

-- The commands and options of a line: "siphon copy --route x" -> "copy", { "--route" }.
local function siphon_of(line)
  local name, rest = line:match "^siphon (%l[%l-]*)(.*)$"
  if not name then name, rest = line:match "^build/siphon (%l[%l-]*)(.*)$" end
  if not name then return nil end
  local verb = name == "policy" and rest:match "^ (%l+)"
  if verb then name = name .. " " .. verb end
  local options = {}
  for option in rest:gsub("%s#.*", ""):gsub("'[^']*'", ""):gmatch "%s(%-%-%l[%w-]*)" do options[#options + 1] = option end
  return name, options
end

describe("what the documents name", function()
  local helps = {}

  local function help(name)
    if not helps[name] then
      local words = {}
      for word in name:gmatch "%S+" do words[#words + 1] = word end
      words[#words + 1] = "--help"
      helps[name] = command.run(words)
    end
    return helps[name]
  end

  for _, path in ipairs(documents()) do
    it("in " .. path .. " is there", function()
      local text, wrong, directory = read(path), {}, path:match "^(.*/)[^/]*$" or ""
      for _, line in ipairs(code_of(text)) do
        local name, options = siphon_of(line)
        if name and help(name).code ~= 0 then
          wrong[#wrong + 1] = "there is no command: " .. line
        elseif name then
          for _, option in ipairs(options) do
            local pattern = option:gsub("%-", "%%-") .. "[%s,=|%]]"
            if not help(name).out:find(pattern) then wrong[#wrong + 1] = option .. ": " .. line end
          end
        end
        local target = line:match "^make ([%l-]+)" or line:match "&& make ([%l-]+)"
        if target and not read "Makefile":find("\n" .. target:gsub("%-", "%%-") .. ":") then
          wrong[#wrong + 1] = "there is no target: " .. line
        end
      end
      for link in text:gmatch "%]%(([^)%s]+)%)" do
        local file, heading = link:match "^([^#]*)#?(.*)$"
        local to = file == "" and path or directory .. file
        local is_ours = not link:find "^%a+://"
        if is_ours and not exists(to) then
          wrong[#wrong + 1] = "there is no file: " .. link
        elseif is_ours and heading ~= "" and not headings(read(to))[heading] then
          wrong[#wrong + 1] = "there is no heading: " .. link
        end
      end
      assert.same({}, wrong)
    end)
  end
end)
