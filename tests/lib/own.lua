-- A module of the host's own, for tests/lib/options.c.
return { double = function(n) return 2 * n end }
