-- What `host --memory` repeats: each thing that the engine does, once. An allocation that fails may make any line
-- raise; nothing may abort or stay behind.
warn("@off")

local function attempt(fn, ...)
  local results = table.pack(pcall(fn, ...))
  if not results[1] and type(results[2]) == "string" and not results[2]:find("memory", 1, true) then
    error(results[2], 0)
  end
  return table.unpack(results, 2, results.n)
end

attempt(probe.early)
attempt(probe.fail, 16)
attempt(probe.steps, 3, { progress = function(done) return { done } end })
attempt(task.sleep, 0)

attempt(task.scope, function()
  local semaphore = task.semaphore(1)
  for i = 1, 3 do
    task.spawn(function()
      local permit <close> = semaphore:acquire()
      task.sleep(0.001 * i)
    end)
  end
end)

attempt(task.timeout, 0.002, function()
  local thing <close> = probe.open()
  local child <close> = probe.open(thing)
  child:work(5)
end)

attempt(task.scope, function()
  local failing = task.spawn(function() error("on purpose") end)
  pcall(failing.join, failing)
end)

attempt(function()
  local victim = task.spawn(function()
    local undo <close> = setmetatable({}, { __close = function() task.shield(task.sleep, 0.001) end })
    task.sleep(5)
  end)
  task.sleep(0.001)
  victim:cancel()
  pcall(victim.join, victim)
end)

attempt(function()
  probe.open()
  collectgarbage()
end)

attempt(new_error, { code = "x", message = "y" })
attempt(tostring, new_error { code = "x", op = "o", where = { pool = "p", image = "i" } })
