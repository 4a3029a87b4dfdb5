std = "lua54"
max_line_length = 120
self = false
exclude_files = { "build" }

files["tests"] = { std = "lua54+busted", max_line_length = 140 }
files["tests/engine"] = { globals = { "task", "probe", "new_error" }, ignore = { "211" } } -- <close> variables
files["policies"] = { read_globals = { "siphon" } }
files["examples"] = { read_globals = { "siphon" } }
files["examples/policies/*_spec.lua"] = { std = "lua54+busted" }
