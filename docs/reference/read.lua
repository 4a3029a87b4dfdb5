--- Reads the reference from where it is written: the comments "/*** ... */" beside the C bindings and "---" above the
-- functions of the public Lua modules.
--
-- An entry: { name = "siphon.rbd.create" or "siphon.rbd.Image:clone", kind = "function" | "method" | "class" |
-- "module", signature, lines (of text), module, file, and of a
-- Lua function the line of its beginning }.

local read = {}

-- How the C comments call things, and what they are called from outside.
local CLASSES = {
  cluster = "siphon.rados.Cluster", pool = "siphon.rados.Pool", watch = "siphon.rados.Watch",
  image = "siphon.rbd.Image",
  snapshot = "siphon.rbd.TemporarySnapshot", task = "siphon.Task", semaphore = "siphon.Semaphore",
  permit = "siphon.Permit", object = "siphon.Object", secret = "siphon.Secret", session = "siphon.glance.Session",
  err = "siphon.Error",
}
local C_MODULES = {
  task = "siphon.task", http = "siphon.http", glance = "siphon.core.glance", process = "siphon.core.process",
  system = "siphon.core.system", input = "siphon.core.input",
}

-- The public Lua modules: file below lua/siphon, name, what its functions hang on, and those that are not public.
local MODULES = {
  { "init", "siphon", {} },
  { "copy", "siphon", { copy = "siphon" }, { facts = true } },
  { "queue", "siphon", { queue = "siphon" }, {
    check = true, check_source = true, put = true, announce = true, } },
  { "task", "siphon.task", { task = "siphon.task" } },
  { "spec", "siphon.spec", { spec = "siphon.spec" } },
  { "facts", "siphon.facts", { facts = "siphon.facts" } },
  { "jobs", "siphon.jobs", { jobs = "siphon.jobs" }, { resume_same = true } },
  { "policy", "siphon.policies", { policy = "siphon.policies" } },
  { "routes/init", "siphon.routes", { routes = "siphon.routes" } },
  { "clouds", "siphon.clouds", { clouds = "siphon.clouds", Cloud = "siphon.Cloud" } },
  { "keystone", "siphon.keystone", { keystone = "siphon.keystone", Identity = "siphon.keystone.Identity" } },
  { "glance", "siphon.glance", { glance = "siphon.glance", Client = "siphon.glance.Client" } },
  { "glance/import", "siphon.glance", { methods = "siphon.glance.Client" }, { extend = true } },
  { "glance/locations", "siphon.glance", { methods = "siphon.glance.Client" }, { extend = true } },
  { "sinks", "siphon.sinks", { sinks = "siphon.sinks" } },
  { "testing", "siphon.testing", { testing = "siphon.testing" } },
  { "units", "siphon.units", { units = "siphon.units" } },
  { "json", "siphon.json", { json = "siphon.json" } },
}

local function text_of(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

local function files(pattern)
  local list, pipe = {}, assert(io.popen("ls " .. pattern))
  for path in pipe:lines() do list[#list + 1] = path end
  pipe:close()
  return list
end

-- --- C ----------------------------------------------------------------------------------------------------

-- "image:size() -> ..." -> name and kind
local function c_name(signature)
  if signature:find "^siphon[%w_.]*[({]" then return signature:match "^[%w_.]+", "function" end
  local class, method = signature:match "^(%l+):([%w_]+)"
  if class then return assert(CLASSES[class], signature) .. ":" .. method, "method" end
  local module, name = signature:match "^(%l+)%.([%w_]+)"
  if module then return assert(C_MODULES[module], signature) .. "." .. name, "function" end
  for _, full in pairs(CLASSES) do
    if full:match "%.(%u%w*)$" == signature then return full, "class" end
  end
  if signature:find "^tostring%(err%)" then return "siphon.Error:__tostring", "method" end
  error("a signature that says nothing: " .. signature)
end

local function c_entries(path, entries)
  for block in text_of(path):gmatch "/%*%*%*%s*(.-)%s*%*/" do
    local lines = {}
    for line in (block .. "\n"):gmatch "([^\n]*)\n" do lines[#lines + 1] = (line:gsub("^%s*%* ?", "")) end
    -- A signature may be longer than a line.
    local signature = table.remove(lines, 1)
    while select(2, signature:gsub("[({]", "")) > select(2, signature:gsub("[)}]", "")) and lines[1] do
      signature = signature .. " " .. table.remove(lines, 1)
    end
    local name, kind = c_name(signature)
    entries[#entries + 1] = {
      name = name, kind = kind, signature = signature, lines = lines, file = path,
      module = kind == "class" and name or name:match "^(.*)[.:]",
    }
  end
end

-- --- Lua --------------------------------------------------------------------------------------------------

local function lua_lines(block)
  local lines = {}
  for line in block:gmatch "([^\n]*)\n" do
    line = line:gsub("^%-%-%-? ?", "")
    local name, rest = line:match "^@param ([%w_?]+) (.*)$"
    if name then line = ("- %s: %s"):format(name:gsub("%?$", " (optional)"), rest) end
    lines[#lines + 1] = (line:gsub("^@return ", "Returns: "))
  end
  return lines
end

local function lua_entry(path, module, owners, block, head, number)
  local owner, colon, fn, arguments = head:match "^function ([%w_]+)([.:])([%w_]+)(%b())"
  local lines = lua_lines(block)
  local given = (lines[1] or ""):match "^(siphon%.[%w_.]+%(.*)$"
  if given then table.remove(lines, 1) end
  local full = owners[owner] or owner
  local variable = colon == ":" and (full:match "%.(%u%w*)$"):lower() or full
  return {
    name = full .. colon .. fn, kind = colon == ":" and "method" or "function",
    signature = given or variable .. colon .. fn .. arguments, lines = lines, file = path, line = number,
    module = colon == ":" and full or module,
  }
end

-- The comment at the top of a file, as the description of its module.
local function header_entry(path, name, text)
  local block = text:match "^(%-%-%-[^\n]*\n[%-][^\n]*\n.-)\n?[^%-]" or text:match "^(%-%-%-[^\n]*\n)"
  local lines = {}
  for line in text:gmatch "([^\n]*)\n" do
    if line:sub(1, 2) ~= "--" then break end
    lines[#lines + 1] = (line:gsub("^%-%-%-? ?", ""))
  end
  return block and { name = name, kind = "module", signature = name, lines = lines, file = path, module = name }
end

local function lua_entries(module, entries, missing)
  local path = "lua/siphon/" .. module[1] .. ".lua"
  local text, seen = text_of(path), false
  for _, entry in ipairs(entries) do seen = seen or entry.kind == "module" and entry.name == module[2] end
  if not seen then entries[#entries + 1] = header_entry(path, module[2], text) end
  local comment, number = nil, 0
  for line in text:gmatch "([^\n]*)\n" do
    number = number + 1
    if line:find "^%-%-%-" and not comment then
      comment = line .. "\n"
    elseif comment and line:find "^%-%-" then
      comment = comment .. line .. "\n"
    else
      local owner, fn = line:match "^function ([%w_]+)[.:]([%w_]+)"
      local public = owner and (module[3][owner] or owner == "siphon") and not fn:find "^__"
        and not (module[4] and module[4][fn])
      if public and comment then
        entries[#entries + 1] = lua_entry(path, module[2], module[3], comment, line, number)
      elseif public then
        missing[#missing + 1] = ("%s: %s has no description"):format(path, line:match "^function (.*)$")
      end
      comment = nil
    end
  end
end

-- What is bound to a name in Lua, and the C functions that a comment describes.
local function c_bindings(path, bound, described)
  local text = text_of(path)
  for name, fn in text:gmatch '{"(%a[%w_]*)",%s*(l_[%w_]+)}' do
    bound[#bound + 1] = { path = path, name = name, fn = fn }
  end
  for rest in text:gmatch "/%*%*%*.-%*/%s*([^\n]*)" do
    local fn = rest:match "int (l_[%w_]+)%("
    if fn then described[fn] = true end
  end
end

--- All entries, and a list of what should have one and has none.
function read.all()
  local entries, missing, bound, described = {}, {}, {}, {}
  for _, module in ipairs(MODULES) do lua_entries(module, entries, missing) end
  for _, path in ipairs(files "core/engine/error.c core/engine/object.c core/bind/*.c") do
    c_entries(path, entries)
    c_bindings(path, bound, described)
  end
  for _, binding in ipairs(bound) do
    if not described[binding.fn] then
      missing[#missing + 1] = ("%s: '%s' (%s) has no description"):format(binding.path, binding.name, binding.fn)
    end
  end
  return entries, missing
end

return read
