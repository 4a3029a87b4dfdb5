--- Jobs in the queue, by the command.

local json = require "siphon.json"

local command = require "support.command"

local queue = {}

--- Submits a copy, with these arguments; its id.
function queue.submit(...)
  local result = command.run { "submit", ... }
  assert(result.code == 0, result.err)
  return (result.out:gsub("%s+$", ""))
end

--- Has the journal of the source's pool be there, which the first job makes: before that a worker has nothing to watch.
function queue.open(source, target)
  command.run { "cancel", queue.submit(source, target) }
end

--- What `siphon job` tells of it.
function queue.shown(id)
  local result = command.run { "job", id, "--json" }
  assert(result.code == 0, result.err)
  return json.decode(result.out, { drop_null = true })
end

return queue
