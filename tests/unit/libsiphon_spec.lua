-- libsiphon as a file that other programs link with or load. What it does is tested in C: tests/lib.
local command = require "support.command"

local BUILD = os.getenv "SIPHON_BUILD" or "build"
local LIBRARY = BUILD .. "/lib/libsiphon.so"

local function words(text)
  local list = {}
  for word in text:gmatch "%S+" do list[#list + 1] = word end
  table.sort(list)
  return list
end

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

describe("libsiphon", function()
  it("exports what siphon.sym names, and nothing else", function()
    local exported = command.shell(([[nm -D --defined-only %s | awk '$3 !~ /^SIPHON_0/ { sub(/@.*/, "", $3); print $3 }']])
      :format(LIBRARY))
    local named = read("core/lib/siphon.sym"):gsub("%b{}", function(body) return body:match "global:(.*)local:" end)
    named = named:gsub("SIPHON_0", ""):gsub(";", " ")
    assert.same(words(named), words(exported))
  end)

  it("declares in siphon.h what it exports", function()
    local header, declared = read "core/include/siphon.h", {}
    header = header:gsub("/%*.-%*/", "")
    for name in header:gmatch "[%s*](siphon_[%w_]+)%(" do declared[#declared + 1] = name end
    table.sort(declared)
    local named = read("core/lib/siphon.sym"):match "global:(.*)local:"
    assert.same(words(named:gsub(";", " ")), declared)
  end)

  it("is called libsiphon.so.0, and needs no symbol that nobody gives", function()
    assert.matches("SONAME%s+libsiphon.so.0\n", command.shell("objdump -p " .. LIBRARY))
    assert.is_nil(command.shell("ldd -r " .. LIBRARY):find("undefined symbol: lua", 1, true))
  end)

  it("has a header for C99 and for C++", function()
    command.shell("gcc -std=c99 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -x c core/include/siphon.h")
    command.shell("g++ -std=c++98 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -x c++ core/include/siphon.h")
  end)

  it("works in a program that loads it for itself alone and knows no Lua", function()
    local answer = command.shell(("%s/test/plugin-host %s units.parse_duration '\"2h\"'"):format(BUILD, LIBRARY))
    assert.equal("7200\n0 events\n", answer) -- and prints nothing of its own
  end)

  it("works under Python, with asyncio too", function()
    local output = command.shell(("cd examples/python && env LIBSIPHON=$OLDPWD/%s PYTHONDONTWRITEBYTECODE=1 LD_PRELOAD='%s' "
      .. "ASAN_OPTIONS=detect_leaks=0 /usr/bin/python3 -W error test_siphon.py"):format(LIBRARY,
      os.getenv "SIPHON_PRELOAD" or ""))
    assert.matches("\nOK\n$", output)
  end)

  it("hands on an error of the core with all of its fields", function()
    local answer = command.shell(([[env -u CEPH_ARGS CEPH_CONF=/dev/null %s/test/plugin-host %s plan ]]
      .. [['{"source": "volumes/vm1", "target": "glance:golden"}']]):format(BUILD, LIBRARY))
    assert.matches('^{"code":"rados.conf","op":"rados.connect","message":"[^"]+","errno":2,"retryable":false}\n', answer)
  end)
end)
