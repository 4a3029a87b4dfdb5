-- What Tab makes of a command line in real shells.
local bed = require "support.bed"
local command = require "support.command"
local terminal = require "support.terminal"

local TAB, CTRL_A, CTRL_E, ENTER = "\t", "\1", "\5", "\r"

local DIRECTORY = command.shell("readlink -f docs/completion"):gsub("%s+$", "")

-- How each shell is started, and told of siphon.
local SHELLS = {
  bash = { { "--norc", "--noprofile", "-i" }, "PS1='rea''dy> '; source " .. DIRECTORY .. "/siphon.bash" },
  zsh = { { "-f", "-i" }, ("PS1='rea''dy> '; bindkey -e; fpath=(%s $fpath); autoload -U compinit; compinit -u -D")
    :format(DIRECTORY) },
}

local program = command.shell("dirname $(readlink -f " .. command.program .. ")"):gsub("%s+$", "")
local PATH = program .. ":" .. os.getenv "PATH"

-- What a shell runs with: what is asked here is what Tab knows, not how soon.
local function variables_of(env)
  local variables = { PATH = PATH, HISTFILE = "", SIPHON_PATIENCE = "60" }
  for name, value in pairs(env or {}) do variables[name] = value end
  return variables
end

-- What becomes of the text when Tab is typed behind it. zsh takes back the blank that it adds when one goes on elsewhere.
local function completed(shell, text, env)
  local result = terminal.run(SHELLS[shell][1], {
    { "type", SHELLS[shell][2] .. ENTER }, { "expect", "ready> " },
    { "type", text .. TAB .. CTRL_A .. "echo '[" .. CTRL_E .. "]'" .. ENTER }, { "expect", "\n[" }, { "leave" },
  }, { program = shell, env = variables_of(env) })
  local line = result.text:match "\n%[([^\n]*)%]"
  return shell == "zsh" and line .. (line:find "[/:]$" and "" or " ") or line
end

local function fish(text, env)
  local variables = ""
  for name, value in pairs(variables_of(env)) do
    variables = ("%s %s=%s"):format(variables, name, command.quote(value))
  end
  local output = command.shell(("env%s fish --no-config -c %s"):format(variables, command.quote(
    ("source %s/siphon.fish; complete -C %s"):format(DIRECTORY, command.quote(text)))))
  local list = {}
  for line in output:gmatch "[^\n]+" do list[#list + 1] = line:match "^[^\t]*" end
  table.sort(list)
  return list
end

describe("completion", function()
  local pool_volume, in_namespace
  setup(function()
    pool_volume = bed.volume { name = bed.name "tabbed", data = { { 0, 1 } } }
    command.shell(("rbd snap create --no-progress %s@monday"):format(pool_volume))
    command.shell "rbd namespace create volumes/tabspace 2>&1 || true"
    in_namespace = bed.volume { name = "inner", namespace = "tabspace", data = { { 0, 1 } } }
  end)
  teardown(function()
    bed.remove(pool_volume)
    bed.remove(in_namespace)
    command.shell "rbd namespace remove volumes/tabspace"
  end)

  for shell in pairs(SHELLS) do
    it("completes commands, options and values in " .. shell, function()
      assert.equal("siphon doctor ", completed(shell, "siphon doc"))
      assert.equal("siphon copy --no-space-check ", completed(shell, "siphon copy --no-sp"))
      assert.equal("siphon copy --route clone_flatten ", completed(shell, "siphon copy --route clone_"))
      assert.matches("^siphon copy %-%-route=instant", completed(shell, "siphon copy --route=ins"))
      assert.equal("siphon policy check cheapest ", completed(shell, "siphon policy check che"))
      assert.equal("siphon run core/main.c ", completed(shell, "siphon run core/mai"))
    end)

    it("completes what is in the cluster in " .. shell, function()
      assert.equal("siphon copy volumes/", completed(shell, "siphon copy vol"))
      assert.equal("siphon copy " .. pool_volume .. " ", completed(shell, "siphon copy " .. pool_volume:sub(1, -2)))
      assert.equal("siphon copy " .. pool_volume .. "@monday ", completed(shell, "siphon copy " .. pool_volume .. "@"))
      assert.equal("siphon copy volumes/tabspace/", completed(shell, "siphon copy volumes/tabs"))
      assert.equal("siphon copy volumes/tabspace/inner ", completed(shell, "siphon copy volumes/tabspace/i"))
      assert.equal("siphon copy a/b glance:", completed(shell, "siphon copy a/b gl"))
      assert.equal("siphon doctor --pool images ", completed(shell, "siphon doctor --pool im"))
    end)

    it("leaves the line as it is in " .. shell .. " when there is no cluster", function()
      assert.matches("^siphon copy vol ?$", completed(shell, "siphon copy vol", { CEPH_CONF = "/nowhere" }))
    end)
  end

  it("completes all of that in fish", function()
    assert.same({ "doctor" }, fish "siphon doc")
    assert.same({ "--no-space-check" }, fish "siphon copy --no-sp")
    assert.same({ "clone", "clone_flatten" }, fish "siphon copy --route clo")
    assert.same({ "--route=instant" }, fish "siphon copy --route=ins")
    assert.same({ "core/main.c" }, fish "siphon run core/mai")
    assert.same({ "volumes/" }, fish "siphon copy vol")
    assert.same({ pool_volume }, fish("siphon copy " .. pool_volume))
    assert.same({ pool_volume .. "@monday" }, fish("siphon copy " .. pool_volume .. "@"))
    assert.same({}, fish("siphon copy vol", { CEPH_CONF = "/nowhere" }))
  end)

  it("knows jobs, those that each command can be about", function()
    local copy = bed.name "copied"
    local result = command.run { "copy", "--json", pool_volume, "volumes/" .. copy }
    assert.equal(0, result.code, result.err)
    local job = command.events(result.out)[1].job
    local id = type(job) == "table" and job.id or job
    assert.same({ id }, fish("siphon job " .. id:sub(1, -2)))
    assert.same({}, fish("siphon resume " .. id:sub(1, -2)))
    assert.matches("^siphon job " .. id:gsub("%-", "%%-") .. " $", completed("bash", "siphon job " .. id:sub(1, -2)))
    bed.remove("volumes/" .. copy)
  end)

  it("knows the clouds of clouds.yaml", function()
    local path = os.tmpname()
    local file <close> = assert(io.open(path, "w"))
    file:write "clouds: { production: {}, playground: {} }\n"
    file:flush()
    assert.same({ "playground", "production" }, fish("siphon copy --os-cloud p", { OS_CLIENT_CONFIG_FILE = path }))
    os.remove(path)
  end)

  it("is silent and soon over when the cluster does not answer", function()
    local started = os.time()
    for _, monitor in ipairs { "127.0.0.1:1", "192.0.2.1:6789" } do
      local path = os.tmpname()
      local file <close> = assert(io.open(path, "w"))
      file:write("[global]\nmon_host = " .. monitor .. "\nauth_client_required = none\n")
      file:flush()
      local result = command.run({ "complete", "copy", "vol" }, { env = { CEPH_CONF = path, CEPH_ARGS = "" } })
      os.remove(path)
      assert.same({ code = 0, out = "", err = "" }, result)
    end
    -- librados would wait for five minutes.
    assert.is_true(os.time() - started < 120, "it took its time")
  end)

  it("takes what the line says of the cluster", function()
    local env = { CEPH_CONF = "/nowhere" }
    local line = ("siphon -c %s copy vol"):format(os.getenv "CEPH_CONF")
    assert.same({ "volumes/" }, fish(line, env))
    assert.same({ "volumes/" }, fish(("siphon copy --conf %s vol"):format(os.getenv "CEPH_CONF"), env))
  end)

  it("changes nothing in the cluster", function()
    local before = bed.inventory()
    for _, words in ipairs { "copy vol", "copy volumes/", "job 2", "resume 2", "doctor --pool im" } do
      command.shell(command.program .. " complete " .. words)
    end
    command.shell(("%s complete copy %s@"):format(command.program, pool_volume))
    assert.equal(before, bed.inventory())
  end)
end)
