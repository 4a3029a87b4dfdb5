--- Many copies at once: what is asked for in a file is checked as a whole, put into the queue as a whole, and then done
-- here, and by whatever worker is quicker.

local core = require "siphon.core"
local errors = require "siphon.errors"
local index = require "siphon.journal.index"
local jobs = require "siphon.jobs"
local json = require "siphon.json"
local queue = require "siphon.queue"

local batch = {}

local function bad(where, message)
  return nil, errors.new("batch.line", nil, ("%s: %s"):format(where, message))
end

-- --- reading ---------------------------------------------------------------------------------------------------

local function read_lines(name, text)
  local list, number = {}, 0
  for line in (text .. "\n"):gmatch "([^\n]*)\n" do
    number = number + 1
    if line:find "%S" then
      local where = ("line %d of %s"):format(number, name)
      local options, problem = json.decode(line, { drop_null = true })
      if type(options) ~= "table" then return bad(where, problem or "it is not a JSON object") end
      list[#list + 1] = { where = where, options = options }
    end
  end
  return list
end

-- What the script returns: a list, or a function that gives one after the other.
local function read_script(name, text)
  local chunk, problem = load(text, "@" .. name, "t")
  if not chunk then return nil, errors.new("script.syntax", nil, problem) end
  _G.siphon = require "siphon"
  local ok, value = xpcall(chunk, errors.handler)
  if not ok then error(value, 0) end
  local list = {}
  local function add(options)
    local where = ("request %d of %s"):format(#list + 1, name)
    if type(options) ~= "table" then errors.raise("batch.line", nil, where .. ": it is not a table") end
    list[#list + 1] = { where = where, options = options }
  end
  if type(value) == "table" then
    for _, options in ipairs(value) do add(options) end
  elseif type(value) == "function" then
    for options in value do add(options) end
  else
    return nil, errors.new("batch.line", nil, ("%s: it has to return a list of requests, or a function that gives one "
      .. "at a call"):format(name))
  end
  return list
end

--- Reads what is asked for: { { where, options }, ... }, or nil and an error. One JSON object a line, with the options
-- of siphon.submit; or a Lua script that returns a list of such tables, or a function that gives one after the other,
-- and nil at the end. A script is a file of the name *.lua, or what does not begin with "{".
function batch.read(name, text)
  if name:find "%.lua$" or not text:find "^%s*[{]" and text:find "%S" then return read_script(name, text) end
  return read_lines(name, text)
end

-- --- submitting ------------------------------------------------------------------------------------------------

-- What is wrong with one request is the user's, whatever siphon.submit calls it.
local function check_one(asked, defaults)
  local options = {}
  for key, value in pairs(defaults) do options[key] = value end
  for key, value in pairs(asked.options) do options[key] = value end
  local target = options.target
  if type(target) == "string" and not target:find "^glance:" then options.pool = asked.options.pool end
  local ok, entry, err = xpcall(queue.check, errors.handler, options)
  if not ok then entry, err = nil, entry end
  if not entry then return bad(asked.where, err.message) end
  entry.where = asked.where
  return entry
end

local function withdraw(put)
  for _, entry in ipairs(put) do index.drop(entry.pool, entry.id, entry.line) end
end

--- Checks all of them, sources included, and puts all of them into the queue, or none. defaults: options for those that
-- do not say otherwise. Returns { { id, pool, request }, ... }, or nil and an error that names the line.
function batch.submit(list, defaults, here)
  local entries = {}
  for i, asked in ipairs(list) do
    local entry, err = check_one(asked, defaults)
    if not entry then return nil, err end
    entries[i] = entry
  end
  for _, entry in ipairs(entries) do
    local ok, err = queue.check_source(entry, here)
    if not ok then return bad(entry.where, err.message) end
  end
  return core.task.shield(function()
    local put, pools = {}, {}
    for i, entry in ipairs(entries) do
      local id, pool, line = queue.put(entry, here)
      if not id then
        withdraw(put)
        return nil, pool
      end
      put[i], pools[pool] = { id = id, pool = pool, line = line, request = entry.request }, true
    end
    for pool in pairs(pools) do queue.announce(pool) end
    return put
  end)
end

-- --- waiting ---------------------------------------------------------------------------------------------------

-- What became of one, as a job of siphon.jobs.list, and whether it is over, or failed.
local function outcome(entry)
  local line, err = index.find(entry.pool, entry.id)
  if line then
    local job = jobs.describe(entry.pool, line)
    return job, index.is_final(job.state) or job.state == "failed"
  end
  -- Without an error, more ended since the last look than the history keeps.
  return { id = entry.id, state = err and "unknown" or "gone", source = tostring(entry.request.source),
    target = tostring(entry.request.target), error = err and errors.plain(err) or nil }, not err
end

--- Calls tell(job), with a job as siphon.jobs.list gives it, for each that is over, or failed, and was not told yet.
-- told: { [id] = true }; live: { [id] = state } as a worker tells it that looked; nil when nobody will look again: then
-- every job is told, whatever has become of it.
function batch.tell(put, told, live, tell)
  for _, entry in ipairs(put) do
    local state = live and live[entry.id]
    if not told[entry.id] and (not state or state == "failed") then
      local job, over = outcome(entry)
      if over or state == "failed" or not live then
        told[entry.id] = true
        tell(job)
      end
    end
  end
end

--- Takes out, or has cancelled, those that are not over.
function batch.cancel(put, told, caller)
  for _, entry in ipairs(put) do
    if not told[entry.id] then jobs.cancel(entry.id, caller) end
  end
end

return batch
