--- The `siphon` command as the specs run it: in a process of its own, its output in files.

local command = {}

command.program = os.getenv "SIPHON" or "build/siphon"

local function read_file(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

--- The text as one word of a shell.
function command.quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function words(list)
  local quoted = {}
  for i, word in ipairs(list) do quoted[i] = command.quote(word) end
  return table.concat(quoted, " ")
end

local function environment(variables)
  local list = {}
  for name, value in pairs(variables or {}) do list[#list + 1] = name .. "=" .. command.quote(value) end
  return #list > 0 and "env " .. table.concat(list, " ") .. " " or ""
end

--- Runs any command line of the shell; returns its output, or raises with it when it fails.
function command.shell(line)
  local path = os.tmpname()
  local ok, _, code = os.execute(("( %s ) >%s 2>&1 </dev/null"):format(line, path))
  local output = read_file(path)
  os.remove(path)
  if not ok then error(("%s\nexited with %d: %s"):format(line, code, output), 2) end
  return output
end

local Process = {}
Process.__index = Process

--- Starts `siphon` with these arguments. options: env (table), prefix (words before the program).
function command.start(arguments, options)
  options = options or {}
  local self = setmetatable({ out = os.tmpname(), err = os.tmpname(), status = os.tmpname() }, Process)
  local line = ("%s%s %s %s"):format(environment(options.env), options.prefix or "", command.program, words(arguments))
  -- The pid is siphon's own: the shell waits for it and keeps its exit code.
  local pipe = assert(io.popen(("sh -c '%s >%s 2>%s </dev/null & echo $!; exec >/dev/null; wait $!; echo $? >%s' &")
    :format(line:gsub("'", "'\\''"), self.out, self.err, self.status)))
  self.pid = math.tointeger(pipe:read "n")
  pipe:close()
  return self
end

--- Waits up to `seconds` (default 360); returns { code, out, err }.
function Process:wait(seconds)
  local status = ""
  for _ = 1, (seconds or 360) * 20 do
    status = read_file(self.status)
    if status ~= "" then break end
    os.execute "sleep 0.05"
  end
  local result = { code = math.tointeger(tonumber(status)), out = read_file(self.out), err = read_file(self.err) }
  if not result.code then self:signal "KILL" end
  self.ended = true
  for _, path in ipairs { self.out, self.err, self.status } do os.remove(path) end
  return result
end

--- Sends it a signal, unless it has ended: its pid may be another's by now.
function Process:signal(name)
  if self.ended or read_file(self.status) ~= "" then return end
  os.execute(("kill -%s %d 2>/dev/null"):format(name, self.pid))
end

--- Waits until it has stopped itself, at the point that SIPHON_FAULT names.
function Process:wait_until_stopped()
  for _ = 1, 1800 do
    local file = io.open(("/proc/%d/stat"):format(self.pid))
    local text = file and file:read "a" or ""
    if file then file:close() end
    if text:find "%) T" then return end
    os.execute "sleep 0.05"
  end
  error("it did not stop; stderr: " .. read_file(self.err), 2)
end

--- Waits until stdout matches the pattern; returns what it holds by then.
function Process:wait_for(pattern, seconds)
  for _ = 1, (seconds or 180) * 50 do
    local has_ended = read_file(self.status) ~= ""
    local text = read_file(self.out)
    if text:find(pattern) then return text end
    if has_ended then break end
    os.execute "sleep 0.02"
  end
  error(("'%s' did not come; stdout: %s, stderr: %s"):format(pattern, read_file(self.out), read_file(self.err)), 2)
end

--- Runs `siphon` to its end: { code, out, err }.
function command.run(arguments, options)
  return command.start(arguments, options):wait(options and options.seconds)
end

--- The events in what `--json` printed.
function command.events(text)
  local json = require "siphon.json"
  local events = {}
  for line in text:gmatch "[^\n]+" do events[#events + 1] = assert(json.decode(line)) end
  return events
end

return command
