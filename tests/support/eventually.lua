--- eventually(what, fn, seconds?) -> the first value of fn() that is true, which is asked ten times a second; raises when
-- `what` did not come about in that time (default: 60).

local core = require "siphon.core"

return function(what, fn, seconds)
  for _ = 1, 10 * (seconds or 60) do
    local value = fn()
    if value then return value end
    core.task.sleep(0.1)
  end
  error(what .. " did not come about", 2)
end
