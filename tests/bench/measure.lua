--- One command line, run in the client's namespace and measured from outside of it.

local measure = {}

local namespace, link, work = os.getenv "BENCH_NAMESPACE", os.getenv "BENCH_LINK", os.getenv "BENCH_WORK"
local TIMEOUT_CODE = 124

--- Runs a line of the shell on this side; raises with its output when it fails.
function measure.shell(line)
  local pipe <close> = assert(io.popen("{ " .. line .. "\n} 2>&1"))
  local output = pipe:read "a"
  local ok = pipe:close()
  if not ok then error(("%s\n%s"):format(line, output), 2) end
  return output
end

local function quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

--- The line as a command of the client's namespace.
function measure.inside(line)
  return ("ip netns exec %s sh -c %s"):format(namespace, quote(line))
end

-- Bytes that the client received and sent: the other way round as seen from this end of its link.
local function link_bytes()
  local function read(which)
    local file <close> = assert(io.open(("/sys/class/net/%s/statistics/%s_bytes"):format(link, which)))
    return file:read "n"
  end
  return { received = read "tx", sent = read "rx" }
end

local function osd_counters()
  local answer = measure.shell(("tests/bench/osd_counters.py %s/run/ceph-osd.*.asok"):format(os.getenv "TESTBED_DIR"))
  local client, replica, allocated = answer:match "(%d+) (%d+) (%d+)"
  return { client = tonumber(client), replica = tonumber(replica), allocated = tonumber(allocated) }
end

-- Until the OSDs have dropped what was removed before.
local function wait_until_settled()
  local last
  for _ = 1, 60 do
    local now = osd_counters().allocated
    if now == last then return end
    last = now
    os.execute "sleep 0.3"
  end
end

--- Runs it: { wall, cpu (seconds), peak (bytes), host (bytes on the client's link), moved (bytes that OSDs served and
-- replicated), stored (bytes that it left on disk) }; { late = seconds } when it took longer than `limit` seconds. The
-- peak is that of the largest process.
function measure.run(line, limit)
  wait_until_settled()
  local before, link_before = osd_counters(), link_bytes()
  local command = measure.inside(("/usr/bin/time -o %s/time -f '%%e %%U %%S %%M' timeout %d sh -c %s"):format(work,
    limit or 600, quote("set -e; " .. line)))
  local ok, _, code = os.execute(command .. (" >%s/output 2>&1"):format(work))
  if code == TIMEOUT_CODE then return { late = limit } end
  if not ok then error(("%s\n%s"):format(line, measure.shell(("cat %s/output"):format(work)))) end
  local link_after = link_bytes()
  local times <close> = assert(io.open(work .. "/time"))
  local wall, user, system, peak = times:read("n", "n", "n", "n")
  wait_until_settled()
  local after = osd_counters()
  return {
    wall = wall, cpu = user + system, peak = peak * 1024,
    host = link_after.received - link_before.received + link_after.sent - link_before.sent,
    moved = after.client - before.client + after.replica - before.replica, stored = after.allocated - before.allocated,
  }
end

--- Puts the client behind so many bits a second, both ways; nil: as fast as it goes.
function measure.limit_link(rate)
  local function tc(end_, device)
    if not rate then return measure.shell(("%s qdisc del dev %s root"):format(end_, device)) end
    measure.shell(("%s qdisc add dev %s root tbf rate %s burst 512kb latency 100ms"):format(end_, device, rate))
  end
  tc("tc", link)
  tc(("tc -n %s"):format(namespace), "client")
end

return measure
