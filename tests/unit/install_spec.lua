-- What the specs run on, and what `make install` leaves.
local command = require "support.command"

describe("the interpreter of the specs", function()
  it("is Lua 5.4, whatever `lua` is on this machine", function()
    assert.equal("Lua 5.4", _VERSION)
  end)
end)

describe("make install", function()
  local root

  setup(function()
    root = command.shell("mktemp -d"):gsub("%s+$", "")
    local build = os.getenv "SIPHON_BUILD" or "build"
    command.shell(("make install BUILD=%s DESTDIR=%s PREFIX=/usr"):format(build, root))
  end)

  teardown(function() command.shell("rm -r " .. root) end)

  local function installed(line)
    return command.shell(('cd / && LUA_PATH="%s/usr/share/lua/5.4/?.lua;%s/usr/share/lua/5.4/?/init.lua;;" '
      .. 'LUA_CPATH="%s/usr/lib/lua/5.4/?.so;;" LD_PRELOAD="%s" %s'):format(root, root, root,
      os.getenv "SIPHON_PRELOAD" or "", line:gsub("@", root)))
  end

  it("leaves a command that runs", function()
    assert.matches("^siphon %d+%.%d+%.%d+\n$", installed "@/usr/bin/siphon --version")
    assert.matches("Usage: siphon", installed "@/usr/bin/siphon --help")
  end)

  it("leaves a module that stock Lua loads, not linked with a Lua of its own", function()
    assert.matches("^%d+%.%d+%.%d+\n$", installed [[lua5.4 -e 'print(require("siphon").version)']])
    assert.is_nil(installed("ldd @/usr/lib/lua/5.4/siphon/core.so"):find("liblua", 1, true))
  end)

  it("leaves a library that pkg-config finds, and its manual page", function()
    local source = command.shell("readlink -f examples/c/copy.c"):gsub("%s+$", "")
    command.shell((("PKG_CONFIG_PATH=@/usr/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=@ PKG_CONFIG_ALLOW_SYSTEM_LIBS=1 "
      .. "PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 sh -c 'cc -Werror %s $(pkg-config --cflags --libs siphon) "
      .. "-Wl,--allow-shlib-undefined -o @/copy'"):format(source):gsub("@", root)))
    assert.matches("^usage: copy", installed "LD_LIBRARY_PATH=@/usr/lib @/copy 2>&1 || true")
    assert.matches("share/man/man3/libsiphon.3", command.shell("find " .. root))
  end)

  it("leaves completion where each shell looks", function()
    local files = command.shell("find " .. root)
    for _, path in ipairs {
      "bash-completion/completions/siphon", "zsh/vendor-completions/_siphon", "fish/vendor_completions.d/siphon.fish",
    } do
      assert.truthy(files:find("/usr/share/" .. path .. "\n", 1, true), path)
    end
  end)

  it("leaves policies where the module looks, and a manual page", function()
    assert.matches("function", installed [[lua5.4 -e 'print(require("siphon").policy("default").routes)']])
    local files = command.shell("find " .. root)
    for _, file in ipairs { "share/man/man1/siphon.1", "share/man/man7/siphon-events.7", "share/man/man7/siphon-policy.7",
      "share/siphon/events.schema.json" } do
      assert.truthy(files:find("/" .. file .. "\n", 1, true), file)
    end
  end)

  it("leaves a unit for the worker that systemd understands", function()
    local unit = root .. "/usr/lib/systemd/system/siphon-worker.service"
    -- It looks for the program where it will be, and knows the targets of this machine only.
    local said = command.shell(("sed -i 's|/usr/bin/siphon|%s/usr/bin/siphon|' %s && systemd-analyze verify --man=no "
      .. "--recursive-errors=no %s 2>&1"):format(root, unit, unit))
    assert.is_nil(said:find("siphon-worker", 1, true), said)
  end)
end)
