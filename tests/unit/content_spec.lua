local content = require "siphon.content"
local qemu = require "siphon.qemu"
local routes = require "siphon.routes"
local testing = require "siphon.testing"

local eventually = require "support.eventually"

describe("siphon.content", function()
  it("knows what a volume begins with", function()
    local zeroes = ("\0"):rep(80)
    for name, bytes in pairs {
      qcow2 = "QFI\xfb\0\0\0\3", vmdk = "KDMV", vhdx = "vhdxfile", vhd = "conectix", luks = "LUKS\xba\xbe\0\1",
      ["rbd-luks"] = "RBDL\xba\xbe", vdi = "<<< QEMU VM Virtual Disk Image >>>\n" .. ("\0"):rep(29) .. "\x7f\x10\xda\xbe",
    } do
      assert.equal(name, content.probe(bytes .. zeroes))
    end
    for _, bytes in ipairs { zeroes, "", "QFI", "\xeb\x63\x90" .. zeroes, "EFI PART" .. zeroes } do
      assert.is_nil(content.probe(bytes))
    end
  end)

  local function check(found, request)
    request.disk_format = request.disk_format or "raw"
    return content.check(request, testing.facts { source = { content = found } })
  end

  it("refuses them unless told, and says how", function()
    local ok, err = check("qcow2", {})
    assert.is_nil(ok)
    assert.equal("source.format", err.code)
    assert.matches("--allow-format qcow2", err.message, 1, true)
    assert.is_nil((check("qcow2", { allow_format = "vmdk" })))
    assert.is_true((check("qcow2", { allow_format = "qcow2" })))
    assert.is_true((check(nil, {})))
  end)

  it("refuses encrypted ones unless told, and to convert them", function()
    local _, err = check("luks", {})
    assert.equal("source.encrypted", err.code)
    assert.matches("--allow-encrypted", err.message, 1, true)
    assert.is_true((check("luks", { allow_encrypted = true })))
    _, err = check("luks", { allow_encrypted = true, disk_format = "qcow2" })
    assert.matches("can be a raw image, but not qcow2", err.message)
    _, err = check("rbd-luks", { allow_encrypted = true })
    assert.matches("different keys", err.message)
  end)
end)

describe("the routes", function()
  local function applies(name, given)
    return routes.get(name).applies(testing.facts(given))
  end

  it("each have a summary, a cost and steps for every situation they apply in", function()
    for _, name in ipairs(routes.names) do
      local route = assert(routes.get(name))
      assert.is_true(#route.summary > 10)
      for _, entry in ipairs(testing.situations()) do
        local ok, reason = route.applies(entry[2])
        if ok then
          local cost = route.cost(entry[2])
          assert.equal("integer", math.type(cost.copied))
          assert.equal("integer", math.type(cost.through_host))
          assert.is_true(#route.steps(entry[2]) > 0)
        else
          assert.is_string(reason)
        end
      end
    end
  end)

  it("say with an error's code what a command should exit with", function()
    local _, reason, code = applies("copy", { target = { writable = false } })
    assert.equal("EPERM", code)
    assert.matches("client.siphon.*profile rbd pool=images", reason)
    _, _, code = applies("copy", { target = { pool = false, pool_problem = "unknown" } })
    assert.equal("glance.pool", code)
  end)

  it("ask ceph-mgr only where it takes tasks", function()
    assert.is_false(applies("instant", { ceph = { mgr_tasks = false } }))
    assert.is_true(applies("clone_flatten", { ceph = { mgr_tasks = false } }))
    assert.is_false(applies("clone_flatten", { ceph = { mgr_tasks = false }, options = { flatten = "mgr" } }))
    assert.equal(0, routes.get "clone_flatten".cost(testing.facts { options = { flatten = "mgr" } }).through_host)
  end)

  it("convert into what qemu-img writes, where there is room for it", function()
    assert.is_false(applies "convert")
    for _, format in ipairs { "qcow2", "vmdk", "vdi", "vhd", "vhdx" } do
      assert.is_true(applies("convert", { image = { disk_format = format } }))
    end
    local _, reason, code = applies("convert", { image = { disk_format = "vdi" }, host = { scratch_free = 1 << 30 } })
    assert.matches("6.%d GiB will be written to /var/tmp, which has 1.0 GiB left", reason)
    assert.equal("ENOSPC", code)
    _, reason = applies("convert", { image = { disk_format = "ploop" } })
    assert.matches("qcow2, vmdk, vdi, vhd or vhdx images, not ploop", reason)
    _, reason = applies("convert", { image = { disk_format = "vmdk" }, options = { compress = true } })
    assert.matches("only qcow2", reason)
    assert.is_true(applies("convert", { image = { disk_format = "qcow2" }, options = { compress = true } }))
  end)

  it("name a snapshot to qemu-img whatever characters it has", function()
    local pool = { name = "a:b", namespace = "n/s", cluster = { id = "me", setting = function(_, key)
      return key == "mon_host" and "[v2:127.0.0.1:1,v1:127.0.0.1:2]" or nil
    end } }
    assert.equal([=[rbd:a\:b/n\/s/i\@m@s\=1:id=me:conf=\/etc\/c:mon_host=[v2\:127.0.0.1\:1,v1\:127.0.0.1\:2]]=],
      qemu.url(pool, "i@m", "s=1", "/etc/c"))
  end)
end)

describe("siphon.process", function()
  local process = require("siphon.core").process
  local task = require("siphon.core").task

  it("gives code and output, also of a program that fails", function()
    local result = assert(process.run { "sh", "-c", "echo out; echo err >&2; exit 3" })
    assert.same({ code = 3, output = "out\n", errors = "err\n" }, result)
    assert.equal(9, process.run { "sh", "-c", "kill -9 $$" }.signal)
  end)

  it("runs no shell, hands no input on, and keeps only so much", function()
    assert.equal("$HOME; ls", process.run { "printf", "%s", "$HOME; ls" }.output)
    assert.equal("", process.run { "cat" }.output)
    assert.equal(65536, #process.run { "head", "-c", "200000", "/dev/zero" }.output)
  end)

  it("says that there is no such program", function()
    local result, err = process.run { "siphon-no-such-program" }
    assert.is_nil(result)
    assert.equal("ENOENT", err.code)
  end)

  it("is stopped with its task, however it resists", function()
    local path = os.tmpname()
    finally(function() os.remove(path) end)
    local function heard()
      local file <close> = assert(io.open(path))
      return file:read "a"
    end
    -- Those that heed it are asked before they are killed.
    local heed = ("echo asked >>%s; exit 1"):format(path)
    for on_term, last_words in pairs { [heed] = "ready\nasked\n", [""] = "ready\n" } do
      os.remove(path)
      local running = task.spawn(process.run, { "sh", "-c",
        ("trap '%s' TERM; echo ready >%s; while :; do sleep 0.1; done"):format(on_term, path) })
      eventually("the program", function() return io.open(path) and heard() ~= "" end)
      running:cancel()
      local ok, err = pcall(task.timeout, 60, running.join, running)
      assert.is_false(ok)
      assert.equal("cancelled", err.code)
      assert.equal(last_words, heard())
    end
  end)

  it("reads the percentages of qemu-img", function()
    local seen = {}
    process.run({ "printf", "    (12.50/100%%)\\r    (100.00/100%%)\\r\n" }, { progress = function(done, total)
      seen[#seen + 1] = done / total
    end })
    assert.equal(1, seen[#seen])
  end)

  it("refuses what is no list of strings", function()
    assert.is_false((pcall(process.run, {})))
    assert.is_false((pcall(process.run, { "sh", 1 })))
    assert.is_false((pcall(process.run, { "true" }, { progres = print })))
  end)
end)
