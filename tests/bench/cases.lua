--- What is copied. Each case: name, title, prepare() makes its sources and returns them, methods and rounds; `rate` of the
-- client's link; `limits`, seconds after which a method is given up; `compare`: the first result of each method is compared
-- with the source; `before`: what the shell is told before each method; `cold`: no uncounted run comes first.

local measure = require "measure"

local shell = measure.shell
local ALL = { "siphon", "unverified", "cp", "deep_cp", "flatten", "export" }

local function protect(name)
  shell(("rbd snap create --no-progress volumes/%s@it; rbd snap protect volumes/%s@it"):format(name, name))
  return { ("volumes/%s@it"):format(name) }
end

local made = {}

-- An image of random bytes; the same one for all cases that want it.
local function random(name, mebibytes, options)
  if not made[name] then
    shell(("head -c %dM /dev/urandom | rbd import --no-progress %s - volumes/%s"):format(mebibytes, options or "", name))
    made[name] = protect(name)
  end
  return made[name]
end

local function bench_write(name, io_size, total)
  shell(("rbd bench --io-type write --io-pattern rand --io-threads 8 --io-size %s --io-total %s volumes/%s"):format(io_size,
    total, name))
end

local function thin(name, size)
  return function()
    shell(("rbd create --size %s volumes/%s"):format(size, name))
    bench_write(name, "4M", "64M")
    return protect(name)
  end
end

-- What a file system is after some time: files of all sizes, some of them gone, small new ones in their place.
local USED = [[
cd "$BENCH_WORK"; truncate -s 2G fs; mke2fs -q -t ext4 -d /usr/lib/python3 fs
{ for i in $(seq 1 4000); do echo "write $BENCH_WORK/piece new$i"; [ $((i % 3)) = 0 ] && echo "rm new$((i - 1))"; done; } >script
head -c 7000 /dev/urandom >piece; mkdir tree; cp -r /usr/share/doc tree; cp -r /usr/bin tree
rm fs; truncate -s 2G fs; mke2fs -q -t ext4 -d tree fs; debugfs -w -f script fs >/dev/null 2>&1
rbd import --no-progress fs volumes/used; rm -r fs script piece tree]]

return {
  { name = "random", title = "1 GiB of random bytes", rounds = 5,
    methods = { "siphon", "unverified", "cp", "deep_cp", "flatten", "export", "upload" },
    prepare = function() return random("random", 1024) end },
  { name = "used", title = "a file system of 2 GiB with a tree of programs and texts, used", rounds = 3, methods = ALL,
    prepare = function()
      shell(USED)
      return protect "used"
    end },
  { name = "scattered", title = "64 MiB in pieces of 64 KiB, scattered in 10 GiB", rounds = 3, methods = ALL,
    prepare = function()
      shell "rbd create --size 10G volumes/scattered"
      bench_write("scattered", "64K", "64M")
      return protect "scattered"
    end },
  { name = "thin", title = "64 MiB in an image of 10 TiB", rounds = 3, methods = { "siphon", "unverified", "cp" },
    cold = true, limits = { cp = 20 }, prepare = thin("thin", "10T") },
  { name = "vast", title = "64 MiB in an image of 100 TiB", rounds = 1, methods = { "siphon" },
    cold = true, prepare = thin("vast", "100T") },
  { name = "clone", title = "a clone of 1 GiB of random bytes, a tenth changed", rounds = 3, methods = ALL,
    compare = true,
    prepare = function()
      random("random", 1024)
      shell "rbd clone volumes/random@it volumes/clone"
      bench_write("clone", "4M", "100M")
      return protect "clone"
    end },
  { name = "coded", title = "512 MiB of random bytes in an erasure-coded pool, copied to a replicated one", rounds = 3,
    methods = ALL, prepare = function() return random("coded", 512, "--data-pool coded") end },
  { name = "coding", title = "256 MiB of random bytes, copied into an erasure-coded pool", rounds = 3,
    before = "export CEPH_ARGS=\"$CEPH_ARGS --rbd-default-data-pool=coded\"; ",
    methods = { "siphon", "unverified", "cp" }, prepare = function() return random("quarter", 256) end },
  { name = "eight", title = "eight volumes of 128 MiB at once", rounds = 3, methods = { "siphon", "unverified", "cp" },
    prepare = function()
      local sources = {}
      for i = 1, 8 do sources[i] = random("eight" .. i, 128)[1] end
      return sources
    end },
  { name = "slow", title = "1 GiB of random bytes, the client behind 1 Gbit/s", rounds = 2, rate = "1gbit",
    methods = { "siphon", "unverified", "cp", "export" }, prepare = function() return random("random", 1024) end },
  { name = "quarter", title = "256 MiB of random bytes", rounds = 3, methods = { "siphon", "unverified" },
    prepare = function() return random("quarter", 256) end },
  { name = "half", title = "512 MiB of random bytes", rounds = 3, methods = { "siphon", "unverified" },
    prepare = function() return random("half", 512) end },
}
