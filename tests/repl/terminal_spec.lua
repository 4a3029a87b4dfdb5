-- `siphon repl` through a pty, as a person types.
local json = require "siphon.json"

local bed = require "support.bed"
local command = require "support.command"
local fences = require "support.fences"
local terminal = require "support.terminal"

local CTRL_A, CTRL_C, CTRL_D, CTRL_P, CTRL_R, TAB, ENTER = "\1", "\3", "\4", "\16", "\18", "\t", "\r"

describe("siphon repl", function()
  local home
  before_each(function() home = command.shell("mktemp -d"):gsub("%s+$", "") end)
  after_each(function() command.shell("rm -r " .. home) end)

  -- Steps between the first prompt and Ctrl-D. "drop" is Ctrl-C at the prompt, which what is dropped must have been typed
  -- at: before it, Ctrl-C would be for the line that ends. Who typed on before it took effect would lose the first letters.
  local function session(steps, options)
    local env = { XDG_STATE_HOME = home .. "/state", XDG_CONFIG_HOME = home .. "/config", NO_COLOR = "1",
      SIPHON_PATIENCE = "60" }
    for name, value in pairs(options and options.env or {}) do env[name] = value end
    local all = { { "expect", "help() explains, Ctrl-D leaves" }, { "expect", "siphon> " } }
    for _, step in ipairs(steps) do
      if step[1] == "drop" then
        all[#all + 1] = { "type", CTRL_C }
        step = { "expect", "^C\nsiphon> " }
      end
      all[#all + 1] = step
    end
    if not (options and options.stays) then all[#all + 1] = { "leave" } end
    return terminal.run(options and options.arguments or { "repl" }, all, { env = env })
  end

  it("starts where siphon stands alone, says what it is connected to, and ends with Ctrl-D", function()
    local result = session({}, { arguments = {} })
    assert.equal(0, result.code)
    assert.matches("siphon [%d.]+ on " .. bed.cluster().fsid:gsub("%-", "%%-") .. " %(%a+%) as client%.siphon\n",
      result.text)
    assert.matches("\nGlance http://", result.text)
  end)

  it("prints what an expression gives, and keeps it in _, _1 and err", function()
    local result = session {
      { "type", "1 + 1" .. ENTER }, { "expect", "\n2\n" },
      { "type", "_ * 21" .. ENTER }, { "expect", "\n42\n" },
      { "type", "return 'a', nil, 'c'" .. ENTER }, { "expect", '_1 = "a"\n_2 = nil\n_3 = "c"\n' },
      { "type", "_3" .. ENTER }, { "expect", '"c"\n' },
      { "type", "x = 5" .. ENTER }, { "expect", "siphon> " },
      { "type", "x" .. ENTER }, { "expect", "\n5\n" },
      { "type", "error 'boom'" .. ENTER }, { "expect", "input:1: boom\n" },
      { "type", "err.code" .. ENTER }, { "expect", '"lua.error"\n' },
      { "type", "pool 'nowhere'" .. ENTER }, { "expect", "nowhere: " }, { "expect", "(ENOENT)\n" },
      { "type", "x = = 1" .. ENTER }, { "expect", "input:1: unexpected symbol near '='\n" },
      { "type", "local y = 1" .. ENTER }, { "expect", "without `local` it stays" },
    }
    assert.equal(0, result.code)
  end)

  it("shows lists of records as tables", function()
    session { { "type", "cluster:pools()" .. ENTER }, { "expect", "id  name\n" }, { "expect", "volumes\n" } }
  end)

  it("goes on asking until a statement is complete, and runs a pasted text as one", function()
    session {
      { "type", "for i = 1, 2 do" .. ENTER }, { "expect", "     ... " },
      { "type", "print('round', i)" .. ENTER }, { "expect", "     ... " },
      { "type", "end" .. ENTER }, { "expect", "round\t1\nround\t2\n" },
      { "type", "\27[200~local a = 20\nlocal b = 22\nprint(a + b)\27[201~" }, { "type", ENTER }, { "expect", "\n42\n" },
    }
  end)

  it("drops the line at Ctrl-C, also in the midst of a statement or a search", function()
    local result = session {
      { "type", "error 'never run'" }, { "expect", "never run'" }, { "drop" },
      { "type", "for i = 1, 2 do" .. ENTER }, { "expect", "     ... " }, { "drop" },
      { "type", CTRL_R .. "zzz" }, { "expect", "search" }, { "drop" },
      { "type", "6 * 7" .. ENTER }, { "expect", "\n42\n" },
    }
    assert.equal(0, result.code)
    assert.is_nil(result.text:find "input:1: never run")
  end)

  it("cancels what runs at Ctrl-C, also a loop that waits for nothing, and stays", function()
    local result = session {
      { "type", "sleep(1000)" .. ENTER }, { "expect", "sleep(1000)\n" }, { "type", CTRL_C },
      { "expect", "being cancelled" }, { "expect", "\ncancelled\nsiphon> " },
      { "type", "while true do end" .. ENTER }, { "expect", "do end\n" }, { "type", CTRL_C },
      { "expect", "\ncancelled\nsiphon> " },
      { "type", "while true do pcall(sleep, 1) end" .. ENTER }, { "expect", "1) end\n" }, { "type", CTRL_C },
      { "expect", "\ncancelled\nsiphon> " },
      { "type", "'here'" .. ENTER }, { "expect", '"here"' },
    }
    assert.equal(0, result.code)
  end)

  it("leaves what cannot be stopped to the background at the second Ctrl-C, and tells when it ends", function()
    session {
      { "type", "gate = task.semaphore(1) held = gate:acquire()" .. ENTER }, { "expect", "siphon> " },
      { "type", "task.shield(function() print 'within' gate:acquire() end)" .. ENTER }, { "expect", "\nwithin\n" },
      { "type", CTRL_C }, { "expect", "once more: do not wait" }, { "type", CTRL_C },
      { "expect", "[1] goes on in the background: task.shield" }, { "expect", "siphon [1]> " },
      { "type", "half a line" }, { "expect", "half a line" }, { "type", CTRL_C }, { "expect", "^C\nsiphon [1]> " },
      { "type", "held:release()" .. ENTER }, { "expect", "[1] done" },
    }
  end)

  it("shows what background jobs say above a line that is being typed", function()
    local result = session {
      { "type", "gate = task.semaphore(1) held = gate:acquire()" .. ENTER }, { "expect", "siphon> " },
      { "type", "spawn(function() gate:acquire() print 'from the job' return 'its result' end)" .. ENTER },
      { "expect", "<job 1, running>" }, { "expect", "siphon [1]> " },
      { "type", ":jobs" .. ENTER }, { "expect", "[1] spawn(function()" },
      { "type", ("spawn(function() repeat sleep(0.02) until io.open '%s/typed' held:release() end)"):format(home) .. ENTER },
      { "expect", "siphon [2]> " }, { "type", "'half " }, { "expect", "'half " }, { "touch", home .. "/typed" },
      { "expect", "from the job\n" }, { "expect", '[1] done: "its result"' },
      { "expect", "siphon> 'half " },
      { "type", "and half'" .. ENTER }, { "expect", '"half and half"' },
    }
    assert.equal(0, result.code)
  end)

  it("asks at Ctrl-D while jobs run, and cancels them when it is told to leave", function()
    local result = session({
      { "type", "spawn(function() local ok, e = pcall(sleep, 1000) print('ended:', e.code) error(e) end)" .. ENTER },
      { "expect", "siphon [1]> " }, { "type", CTRL_D }, { "expect", "1 job is running: cancel, undo and leave? [y/N] " },
      { "type", "n" .. ENTER }, { "expect", "siphon [1]> " },
      { "type", ":quit" .. ENTER }, { "expect", "leave? [y/N] " }, { "type", "y" .. ENTER },
      { "expect", "ended:\tcancelled\n" }, { "expect", "[1] cancelled" },
    }, { stays = true })
    assert.equal(0, result.code)
  end)

  it("cancels jobs by number, and waits for them", function()
    session {
      { "type", "spawn(sleep, 1000)" .. ENTER }, { "expect", "siphon [1]> " },
      { "type", ":wait 1" .. ENTER }, { "expect", ":wait 1\n" }, { "type", CTRL_C }, { "expect", "\ncancelled\n" },
      { "expect", "siphon [1]> " },
      { "type", ":cancel 1" .. ENTER }, { "expect", "[1] cancelled" },
      { "type", ":cancel 1" .. ENTER }, { "expect", "there is no job '1'" },
    }
  end)

  it("shows the cluster's jobs that are not over, completes their ids, and takes them up or back", function()
    local name = bed.name "cut"
    local source = bed.volume { name = name }
    local barred = fences.standing()
    finally(function()
      bed.remove(source)
      bed.remove("volumes/" .. name .. "-1")
      fences.lift(barred)
    end)
    local ids = {}
    for i = 1, 3 do
      local killed = command.run({ "copy", source, ("volumes/%s-%d"):format(name, i), "--quiet", "--route", "copy" },
        { env = { SIPHON_FAULT = "kill target.copy/rbd.copy_data/half", SIPHON_LEASE = "1" } })
      assert.equal(137, killed.code)
    end
    for line in command.run({ "jobs", "--json" }).out:gmatch "[^\n]+" do
      local job = json.decode(line)
      local number = job.target:match("^volumes/" .. name:gsub("%-", "%%-") .. "%-(%d)$")
      if number then ids[tonumber(number)] = job.id end
    end
    assert.equal(3, #ids)
    local function but_the_last(id) return id:sub(1, -2) end
    session {
      { "type", "sleep(1.5)" .. ENTER }, { "expect", "siphon> " },
      { "type", ":jobs" .. ENTER }, { "expect", "nothing runs in the background\n" },
      { "expect", ("%s  abandoned, %s -> volumes/%s-1\n"):format(ids[1], source, name) },
      { "type", "resume '" .. but_the_last(ids[1]) .. TAB }, { "expect", ids[1] }, { "type", "'" .. ENTER },
      { "expect", "is complete" }, { "expect", "siphon> " },
      { "type", "siphon.jobs.undo('" .. but_the_last(ids[2]) .. TAB }, { "expect", ids[2] },
      { "type", "')" .. ENTER }, { "expect", "\ntrue\n" }, { "expect", "siphon> " },
      { "type", ":cancel " .. but_the_last(ids[3]) .. TAB }, { "expect", ids[3] }, { "type", ENTER },
      { "expect", "\nundone\n" }, { "expect", "siphon> " },
      { "type", ":cancel 20260101-000000-000000" .. ENTER }, { "expect", "there is no job" },
      { "type", "help 'resume'" .. ENTER }, { "expect", "siphon.jobs.resume(id, options)" },
    }
    assert.is_nil(command.run({ "jobs" }).out:find(name, 1, true))
  end)

  it("completes commands, variables, fields, methods and options", function()
    session {
      { "type", ":jo" .. TAB .. ENTER }, { "expect", "nothing runs in the background" }, { "expect", "siphon> " },
      { "type", "siphon.rbd.nam" .. TAB .. " ~= nil" .. ENTER }, { "expect", "namespaces ~= nil\ntrue\nsiphon> " },
      { "type", "cluster:ping" .. TAB }, { "expect", "cluster:ping" }, { "drop" },
      { "type", "cluster:po" .. TAB .. TAB .. TAB }, { "expect", "pool   pools" }, { "drop" },
      { "type", "siphon.rbd.create(p, 'x', { stripe_c" .. TAB }, { "expect", "stripe_count = " }, { "drop" },
      { "type", "copy { existing_i" .. TAB }, { "expect", "existing_image = " }, { "drop" },
      { "type", "copy { route = 'deep" .. TAB }, { "expect", "deep_copy" }, { "drop" },
      { "type", "copy { policy = 'by" .. TAB }, { "expect", "by_size" }, { "drop" },
      { "type", "help 'rbd.Image:snapshot_ren" .. TAB }, { "expect", "snapshot_rename" }, { "drop" },
    }
  end)

  it("completes the names of pools, images and snapshots", function()
    local name = bed.name "completed"
    command.shell(("rbd create -s 8M volumes/%s && rbd snap create --no-progress volumes/%s@monday"):format(name, name))
    finally(function() bed.remove("volumes/" .. name) end)
    session {
      { "type", "image 'vol" .. TAB }, { "expect", "volumes/" },
      { "type", "complet" .. TAB }, { "expect", name }, { "type", "@mon" .. TAB }, { "expect", "@monday" },
      { "type", "'" .. ENTER }, { "expect", ("<siphon.rbd.Image (volumes/%s@monday)>"):format(name) },
    }
  end)

  it("does not run code for a Tab", function()
    session {
      { "type", "trap = setmetatable({}, { __index = function() print 'ran' end, __pairs = error })" .. ENTER },
      { "expect", "siphon> " }, { "type", "trap.x" .. TAB }, { "expect", "trap.x" }, { "drop" },
    }
  end)

  it("keeps its history for its owner alone, without secrets", function()
    session {
      { "type", "first_line = 1" .. ENTER }, { "expect", "siphon> " },
      { "type", "my_password = 'hunter2'" .. ENTER }, { "expect", "siphon> " },
      { "type", "\27[200~two = 1\nlines = 2\27[201~" }, { "type", ENTER }, { "expect", "siphon> " },
    }
    local path = home .. "/state/siphon/history"
    assert.equal("first_line = 1\ntwo = 1\\nlines = 2\n", command.shell("cat " .. path))
    assert.equal("600\n", command.shell("stat -c %a " .. path))
    session {
      { "type", CTRL_P .. CTRL_P .. ENTER }, { "expect", "siphon> " },
      { "type", "first_line + 41" .. ENTER }, { "expect", "\n42\n" },
    }
  end)

  it("begins with the rc file, and says what is wrong with it", function()
    command.shell(("mkdir -p %s/config/siphon && echo 'answer = 42' >%s/config/siphon/replrc.lua"):format(home, home))
    local result = terminal.run({ "repl" }, {
      { "expect", "siphon> " }, { "type", "answer" .. ENTER }, { "expect", "\n42\n" }, { "leave" },
    }, { env = { XDG_STATE_HOME = home, XDG_CONFIG_HOME = home .. "/config", NO_COLOR = "1" } })
    assert.equal(0, result.code)
    command.shell(("echo 'answer = = 42' >%s/config/siphon/replrc.lua"):format(home))
    result = terminal.run({ "repl" }, {
      { "expect", "replrc.lua:1: unexpected symbol" }, { "expect", "siphon> " }, { "leave" },
    }, { env = { XDG_STATE_HOME = home, XDG_CONFIG_HOME = home .. "/config", NO_COLOR = "1" } })
    assert.equal(0, result.code)
  end)

  it("loads files, opens an editor, times what runs, writes JSON and YAML", function()
    command.shell(("echo 'loaded = 7' >%s/loaded.lua"):format(home))
    session({
      { "type", ":edit" .. ENTER }, { "expect", "from the editor" },
      { "type", ":load " .. home .. "/loaded.lua" .. ENTER }, { "expect", "siphon> " },
      { "type", "loaded" .. ENTER }, { "expect", "\n7\n" },
      { "type", ":load " .. home .. "/none.lua" .. ENTER }, { "expect", "there is no file" },
      { "type", ":time sleep(0)" .. ENTER }, { "expect", "took " },
      { "type", ":set output json" .. ENTER .. "{ a = { 1, 2 } }" .. ENTER }, { "expect", '{"a":[1,2]}\n' },
      { "type", ":set output yaml" .. ENTER .. "{ a = 'b' }" .. ENTER }, { "expect", "a: b\n" },
      { "type", ":set output xml" .. ENTER }, { "expect", ":set output lua|json|yaml" },
      { "type", ":nothing" .. ENTER }, { "expect", "there is no command ':nothing'" },
    }, { env = { VISUAL = "sh -c 'echo \"print [[from the editor]]\" >$0'" } })
  end)

  it("copies to Glance with what help() says alone, with a bar while it waits", function()
    local name = bed.name "helped"
    local source = bed.volume { name = name }
    local golden = bed.name "golden"
    finally(function()
      bed.remove(source)
      for _, image in ipairs(bed.glance_images(golden)) do bed.delete_glance_image(image.id) end
    end)
    local result = session {
      { "type", "help()" .. ENTER }, { "expect", 'copy("volumes/vm1", "glance:golden")' },
      { "type", "help 'copy'" .. ENTER }, { "expect", "siphon.copy(options)" }, { "expect", "pool of Glance's images" },
      { "type", ('copy { source = "%s", target = "glance:%s", pool = "images" }'):format(source, golden) .. ENTER },
      { "expect", "route osd_copy" }, { "expect", "is active in pool images: 32 MiB" }, { "expect", "image_id = " },
    }
    assert.equal(0, result.code)
    assert.equal(1, #bed.glance_images(golden))
    assert.equal(bed.md5(source), bed.glance_md5(bed.glance_images(golden)[1].id))
  end)

  it("undoes a copy that Ctrl-C cancels", function()
    local name = bed.name "undone"
    local source = bed.volume { name = name, size = 64, data = { { 0, 60 } } }
    finally(function() bed.remove(source) end)
    local before = bed.holdings()
    local result = session {
      { "type", ('copy { source = "%s", target = "volumes/%s-copy", route = "copy", max_rate = 4 << 20 }')
        :format(source, name) .. ENTER },
      { "expect", "route copy" }, { "type", CTRL_C }, { "expect", "undone: " },
      { "expect", "cancelled" }, { "expect", "siphon> " },
    }
    assert.equal(0, result.code)
    bed.assert_unchanged(before, bed.holdings)
  end)

  it("undoes a copy when its terminal is closed", function()
    local name = bed.name "closed"
    local source = bed.volume { name = name, size = 64, data = { { 0, 60 } } }
    finally(function() bed.remove(source) end)
    local before = bed.holdings()
    local result = session({
      { "type", ('copy { source = "%s", target = "volumes/%s-copy", max_rate = 4 << 20 }'):format(source, name) .. ENTER },
      { "expect", "image volumes/siphon-" },
      { "hang up" },
    }, { stays = true })
    assert.equal(130, result.code)
    bed.assert_unchanged(before, bed.holdings)
  end)

  it("works without a cluster, and says how to get one", function()
    local result = session({
      { "type", "1 + 1" .. ENTER }, { "expect", "\n2\n" },
      { "type", "cluster" .. ENTER }, { "expect", "/nowhere.conf" },
      { "type", ":jobs" .. ENTER }, { "expect", "nothing runs in the background\nsiphon> " },
      { "type", "resume '" .. TAB }, { "type", CTRL_C }, { "expect", "siphon> " },
    }, { arguments = { "repl", "--conf", "/nowhere.conf" } })
    assert.equal(0, result.code)
    assert.matches("no cluster: .*/nowhere%.conf.*; connect%(%) tries again", result.text)
  end)

  it("follows the window, and uses colour only where it may", function()
    local plain = session {
      { "resize", 20, 40 }, { "type", "cluster:pools()" .. ENTER }, { "expect", "volumes" },
      { "type", "('x'):rep(60)" .. ENTER }, { "expect", '"xxx' },
    }
    assert.is_nil(plain.raw:find "\27%[[%d;]+m")
    local coloured = session({ { "type", "1 + 1" .. ENTER }, { "expect", "\n2\n" } }, { env = { NO_COLOR = "" } })
    assert.matches("\27%[36m2\27%[0m", coloured.raw)
    local never = session({ { "type", "1 + 1" .. ENTER }, { "expect", "\n2\n" } },
      { env = { NO_COLOR = "" }, arguments = { "repl", "--color", "never" } })
    assert.is_nil(never.raw:find "\27%[[%d;]+m")
  end)

  it("ends orderly when it is told to, or its terminal goes away", function()
    local result = session({
      { "type", "spawn(function() local ok, e = pcall(sleep, 1000) print('ended:', e.code) error(e) end)" .. ENTER },
      { "expect", "siphon [1]> " }, { "signal", "TERM" }, { "expect", "ended:\tcancelled" },
    }, { stays = true })
    assert.equal(130, result.code)
  end)

  it("edits the line", function()
    session { { "type", "+ 40" .. CTRL_A .. "2 " .. ENTER }, { "expect", "\n42\n" } }
  end)
end)
