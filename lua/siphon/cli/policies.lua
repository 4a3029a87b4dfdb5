--- siphon policies: the policies that can be named, and where each was found.

local options = require "siphon.cli.options"

local command = {}

local function parser()
  local p = options.parser("policies", "Lists the policies on the policy path: name, what it does, file.")
  p:group("Output", p:flag("--json", "Print one JSON object a line."))
  return p:epilog [[
The path: the directories in SIPHON_POLICY_PATH, $XDG_CONFIG_HOME/siphon/policies, /etc/siphon/policies, and
those that come with siphon. Of two policies of one name the first on the path counts.]]
end

--- Runs the command; returns the exit code or raises.
function command.main(arguments, leading)
  return options.run(parser(), arguments, leading, function(parsed)
    local list, width = require("siphon.policy").list(), 0
    for _, entry in ipairs(list) do width = math.max(width, #entry.name) end
    for _, entry in ipairs(list) do
      if parsed.json then
        io.write(require("siphon.json").encode(entry), "\n")
      else
        io.write(("%-" .. width .. "s  %s\n%s  %s\n"):format(entry.name, entry.summary, (" "):rep(width), entry.path))
      end
    end
    return 0
  end)
end

return command
