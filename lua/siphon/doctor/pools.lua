--- What this user may do in each pool, found out by doing it: images listed; an object written, locked, given an omap,
-- checksummed by its OSD, and removed.

local core = require "siphon.core"
local errors = require "siphon.errors"

local pools = {}

local MOST = 30 -- pools that are looked at unasked

local function cap(kind, cluster, pool)
  return ("osd '%s pool=%s' for %s (ceph auth caps replaces them all: see the README)"):format(kind, pool, cluster.name)
end

-- What can be done with an object of our own: { write, omap, lock, checksum }, each true or an error.
local function try_object(pool)
  local name = "siphon.doctor." .. core.system.random(6):gsub(".", function(c) return ("%02x"):format(c:byte()) end)
  local can = {}
  local function note(what, ok, err) can[what] = ok and true or err end
  note("write", pool:write(name, "siphon doctor was here"))
  if can.write ~= true then return can end
  core.task.shield(function()
    note("omap", pool:omap_set(name, { key = "value" }))
    note("lock", pool:lock(name, "siphon", { duration = 10 }))
    note("checksum", pool:checksum(name))
    note("removed", pool:remove(name))
  end)
  return can
end

local function is_refused(value)
  return errors.has_code(value, "EPERM", "EACCES")
end

local NO_ROOM = { "EDQUOT", "ENOSPC" }

-- One finding about a pool; false when the user can do nothing there.
local function examine_pool(findings, world, name, asked)
  local cluster, what = world.cluster, "pool " .. name
  local pool, err = cluster:pool(name)
  if not pool then
    findings:problem("ceph", what, errors.line(err), "ceph osd pool ls", err)
    return true
  end
  local images, unreadable = world.try(core.rbd.list, pool)
  local can, failure = world.try(try_object, pool)
  pool:close()
  can = can or { write = failure }
  if is_refused(unreadable) and is_refused(can.write) then
    if not asked then return false end
    findings:problem("ceph", what, "this user may do nothing here", cap("profile rbd", cluster, name), unreadable)
    return true
  end
  local seen = images and ("%d image%s"):format(#images, #images == 1 and "" or "s") or errors.line(unreadable)
  if is_refused(can.write) then
    findings:warn("ceph", what, seen .. "; read only: what is copied has to be a protected snapshot that is there",
      cap("profile rbd", cluster, name) .. ", for siphon to take snapshots, or to make images here", can.write)
  elseif errors.has_code(can.write, table.unpack(NO_ROOM)) then
    findings:problem("ceph", what, seen .. "; there is no room: " .. errors.line(can.write),
      "ceph osd pool get-quota " .. name .. "; ceph df", can.write)
  elseif can.write ~= true then
    findings:problem("ceph", what, seen .. "; " .. errors.line(can.write), "ceph health detail", can.write)
  elseif not images then
    findings:problem("ceph", what, seen, cap("profile rbd", cluster, name), unreadable)
  elseif can.omap ~= true then
    findings:ok("ceph", what, seen .. "; writable, but without omap: for data only, not for images or jobs")
  elseif can.lock ~= true or can.checksum ~= true then
    findings:warn("ceph", what, seen .. "; " .. errors.line(can.lock ~= true and can.lock or can.checksum),
      cap("profile rbd", cluster, name))
  else
    findings:ok("ceph", what, seen .. "; snapshots, images, job records; OSDs checksum for `osd_copy`")
    world.writable = world.writable or {}
    table.insert(world.writable, name)
  end
  return true
end

--- Adds a finding for each pool; `world.writable` lists those that a copy can come from or go to.
function pools.examine(findings, world)
  local asked = world.options.pools
  local names, closed = asked, {}
  if not asked then
    local list, err = world.cluster:pools()
    if not list then
      return findings:problem("ceph", "pools", errors.line(err), "the user needs mon 'profile rbd'", err)
    end
    names = {}
    for i = 1, math.min(#list, MOST) do names[i] = list[i].name end
    if #list > MOST then
      findings:skip("ceph", "pools", ("only %d of %d looked at; --pool names others"):format(MOST, #list))
    end
  end
  for _, name in ipairs(names) do
    if not examine_pool(findings, world, name, asked ~= nil) then closed[#closed + 1] = name end
  end
  if #closed > 0 then findings:ok("ceph", "other pools", "closed to this user: " .. table.concat(closed, ", ")) end
  if not asked and #closed == #names then
    findings:problem("ceph", "pools", "this user may do nothing in any pool",
      "give it the capabilities that the README recommends: ceph auth get-or-create client.siphon ...")
  end
end

return pools
