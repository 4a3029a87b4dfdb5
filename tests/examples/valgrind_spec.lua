-- The programs of examples/ that are hosts of siphon's, each making an image on the bed, under valgrind: no wrong access and
-- no leak, neither of ours nor of how they use it. (Under the sanitizers they run in examples_spec.lua.)
local bed = require "support.bed"
local command = require "support.command"
local json = require "siphon.json"

local BUILD = os.getenv "SIPHON_BUILD" or "build"
local VALGRIND <const> = "valgrind -q --child-silent-after-fork=yes --leak-check=full --show-leak-kinds=definite "
  .. "--errors-for-leak-kinds=definite --error-exitcode=99 "
local PYTHON <const> = "PYTHONMALLOC=malloc PYTHONDONTWRITEBYTECODE=1 LIBSIPHON=%s/lib/libsiphon.so.0 "

describe("valgrind finds nothing in", function()
  if BUILD:find "asan" or BUILD:find "tsan" then return end -- one of them at a time

  local spec, name

  before_each(function()
    spec = bed.volume()
    name = spec:match "/(.*)"
  end)

  after_each(function()
    for _, image in ipairs(bed.glance_images(name)) do bed.delete_glance_image(image.id) end
    bed.remove(spec)
    bed.remove("volumes/" .. name)
  end)

  -- command.shell fails with the program's output when its exit code is not 0, which valgrind makes it on a finding.
  local function assert_clean(line)
    local output = command.shell(line)
    assert.is_nil(output:find "\n==%d+==", output)
    local list = bed.glance_images(name)
    assert.same({ 1, "active" }, { #list, list[1] and list[1].status }, output)
  end

  local function options() return command.quote(json.encode { source = spec, target = "glance:" .. name, pool = "images" }) end

  it("c/copy", function() assert_clean(VALGRIND .. BUILD .. "/examples/copy " .. options()) end)

  it("c/epoll", function() assert_clean(("echo %s | %s%s/examples/epoll"):format(options(), VALGRIND, BUILD)) end)

  it("python/copy_many.py", function()
    assert_clean(PYTHON:format(BUILD) .. VALGRIND .. "/usr/bin/python3 examples/python/copy_many.py images " .. spec)
  end)

  it("a stock Lua", function()
    assert_clean(("LUA_PATH='lua/?.lua;lua/?/init.lua;;' LUA_CPATH='%s/lib/?.so;;' %slua5.4 -e %s"):format(BUILD, VALGRIND,
      command.quote(("local siphon = require 'siphon' assert(siphon.copy { source = '%s', target = 'glance:%s', pool = 'images' })")
        :format(spec, name))))
  end)
end)
