-- The program and the module that it loads: two files, one piece of software.
local command = require "support.command"

local function make(path, text)
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
end

describe("the program", function()
  local root

  -- A tree with the program, siphon's Lua, and the core.so that it shall find.
  before_each(function()
    root = command.shell("mktemp -d"):gsub("%s+$", "")
    command.shell(("mkdir -p %s/build/lib/siphon && ln -s $PWD/lua %s/lua && cp %s %s/build/siphon")
      :format(root, root, command.program, root))
  end)
  after_each(function() command.shell("rm -r " .. root) end)

  local function run(line)
    return command.shell(("cd /; %s/build/siphon %s 2>&1; echo $?"):format(root, line))
  end

  local function fake_module(body)
    make(root .. "/core.c", "#include <lua.h>\nint luaopen_siphon_core(lua_State *L);\n"
      .. "int luaopen_siphon_core(lua_State *L) {" .. body .. "}\n")
    command.shell(("cc -shared -fPIC $(pkg-config --cflags lua5.4) -o %s/build/lib/siphon/core.so %s/core.c")
      :format(root, root))
  end

  it("is linked with Lua and with nothing that siphon is built on", function()
    local linked = command.shell("ldd " .. command.program)
    for _, library in ipairs { "librbd", "librados", "libcurl", "libcrypto" } do
      assert.is_nil(linked:find(library, 1, true))
    end
  end)

  it("says its version and lists its commands without the module", function()
    assert.matches("^siphon %d+%.%d+%.%d+\n0\n$", run "--version")
    assert.matches("^Usage: siphon COMMAND.*\n0\n$", run "--help")
    assert.matches("^Usage: siphon COMMAND.*\n0\n$", run "help")
  end)

  it("says in one line that the module is missing", function()
    local output = run "policies"
    assert.matches("^siphon: the module siphon/core.so is not installed: no file '[^\n]+\n78\n$", output)
    assert.is_truthy(output:find(root .. "/build/lib/siphon/core.so", 1, true), output)
  end)

  it("says in one line why the module cannot be loaded", function()
    make(root .. "/build/lib/siphon/core.so", "not a library")
    assert.matches("^siphon: [^\n]+/core%.so cannot be loaded: [^\n]+\n78\n$", run "policies")
  end)

  it("refuses a module of another version, and says which", function()
    fake_module 'lua_newtable(L); lua_pushliteral(L, "0.0.1"); lua_setfield(L, -2, "version"); return 1;'
    assert.matches("^siphon: [^\n]+/core%.so is of version 0%.0%.1 and this program of version %d+%.%d+%.%d+: "
      .. "install both anew\n78\n$", run "policies")
    fake_module "lua_newtable(L); return 1;"
    assert.matches("core%.so is of version unknown", run "copy --help")
  end)
end)
