--- siphon.task: the core's tasks, and what can be said in terms of them.

local task = require "siphon.core".task

--- task.gather(functions) -> results
-- Runs the functions at once, each in a task, and returns what each returned first, in their order. The first that
-- fails cancels the rest and is raised.
function task.gather(functions)
  return task.scope(function()
    local children, results = {}, {}
    for i, fn in ipairs(functions) do children[i] = task.spawn(fn) end
    for i, child in ipairs(children) do results[i] = child:join() end
    return results
  end)
end

return task
