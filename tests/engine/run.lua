-- Runs busted inside the host, so that its specs see the engine's probes.
table.insert(arg, 1, "--ignore-lua")
require "busted.runner" { standalone = false }
