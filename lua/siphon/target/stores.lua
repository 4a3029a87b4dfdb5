--- Which pool Glance's images lie in, and in which cluster.
--
-- GET /v2/info/stores/detail (Glance 24 = Yoga; for admins and services) tells pool and chunk size of an RBD
-- store, and since Glance 30 = 2025.1 the cluster's fsid. An older one leaves the fsid out: then this cluster
-- is assumed, and Glance itself checks it when the location is registered (its prefix has to be that of a
-- store).

local errors = require "siphon.errors"
local nearest = require "siphon.nearest"

local stores = {}

local CHUNK_SIZE = 8 * 1024 * 1024 -- rbd_store_chunk_size of glance_store, when Glance does not tell
local ORDER_MIN, ORDER_MAX = 12, 25 -- librbd's bounds

-- glance_store: order = int(log2(chunk_size))
local function order_of(chunk_size)
  local order = 0
  while chunk_size > 1 do order, chunk_size = order + 1, chunk_size // 2 end
  return math.max(ORDER_MIN, math.min(ORDER_MAX, order))
end

-- Those of the list that were asked for with --store; nil and an error when one is not there.
local function among(list, asked)
  if not asked or #list == 0 then return list end
  local by_id, chosen = {}, {}
  for _, store in ipairs(list) do by_id[store.id] = store end
  for i, id in ipairs(asked) do
    if not by_id[id] then
      local ids = nearest.keys(by_id)
      return nil, errors.new("usage", nil, ("Glance has no store '%s'%s (stores: %s)"):format(id,
        nearest.hint(id, ids), table.concat(ids, ", ")))
    end
    chosen[i] = by_id[id]
  end
  return chosen
end

-- The RBD store to use: the default one, or the only one.
local function pick(list)
  local rbd, ids, told = {}, {}, false
  for _, store in ipairs(list) do
    told = told or store.type ~= nil
    if store.type == "rbd" then
      if store.default then return store end
      rbd[#rbd + 1] = store
    end
    ids[#ids + 1] = store.id
  end
  if #rbd == 1 then return rbd[1] end
  if not told then return nil, "Glance tells the pool of its images only to the roles admin and service" end
  if #rbd == 0 then
    return nil, ("none of Glance's stores (%s) is an RBD store"):format(table.concat(ids, ", "))
  end
  local names = table.concat(ids, ", ")
  return nil, ("Glance has several RBD stores (%s), none of them its default"):format(names)
end

local function from_pool(request, fsid, store, all)
  return {
    id = store and store.id, all = all, pool = request.pool, pool_from = "asked", fsid = fsid,
    fsid_from = "asked", order = order_of(store and store.chunk_size or CHUNK_SIZE),
  }
end

--- What stands for a store whose pool is not known: good for uploading only.
function stores.unknown(request)
  return { id = request.stores and request.stores[1], all = {}, order = order_of(CHUNK_SIZE) }
end

--- The store for the request: { id, pool, pool_from, fsid, fsid_from, order, all }, or nil and an error of
-- code "glance.pool" that says to use --pool. `home` is the fsid of the source's cluster.
function stores.choose(client, request, home)
  local list, err = client:stores()
  if not list then
    -- Only a refusal or an old Glance may be made up for by --pool: one that does not answer at all may not.
    if not err:is("glance.forbidden", "glance.not_found") then return nil, err end
    list = {}
  end
  local asked, unknown = among(list, request.stores)
  if not asked then return nil, unknown end
  if request.pool then
    local known
    for _, store in ipairs(asked) do
      if store.type == "rbd" and store.pool == request.pool then known = store end
    end
    return from_pool(request, home, known, list)
  end
  local store, why = pick(asked)
  if not store or not store.pool then
    return nil, errors.new("glance.pool", "glance.stores", (why or "Glance does not tell the pool of its images")
      .. ": name it with --pool", { cause = err })
  end
  return {
    id = store.id, all = list, pool = store.pool, pool_from = "glance", fsid = store.fsid or home,
    fsid_from = store.fsid and "glance" or "assumed", order = order_of(store.chunk_size or CHUNK_SIZE),
  }
end

--- Says where the name of a pool that does not exist came from.
function stores.explain_pool(err, store)
  if not err:is("ENOENT") then return err end
  local from = store.pool_from == "asked" and "--pool" or ("Glance's store '%s'"):format(store.id)
  return errors.explain(err, ("%s (named by %s)"):format(err.message, from))
end

return stores
