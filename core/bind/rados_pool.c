/* Pool: an ioctx in one namespace; what it is and what it holds.
 *
 * Thread: the loop thread. */
#include "bind/ceph.h"
#include "bind/options.h"

#include <string.h>

/* --- opening -------------------------------------------------------------------------------------------- */

static int push_pool(lua_State *L, sph_op *op) {
    sph_push_child(L, &((sph_pool_open_op *)op)->pool->object, 1);
    return 1;
}

static const sph_op_type open_type = {.name = "rados.pool",
                                      .flags = SPH_OP_ABANDON,
                                      .run = sph_pool_open,
                                      .push = push_pool,
                                      .release = sph_pool_open_release};

/*** cluster:pool(name, options?) -> Pool | nil, err
 * Opens a pool. Whatever is written through it fails with EDQUOT or ENOSPC when there is no room, instead of
 * waiting for some.
 * - namespace: default "". RADOS namespaces need not be made before; RBD's do (rbd namespace create)
 * Errors: ENOENT when there is no such pool. */
int l_cluster_pool(lua_State *L) {
    sph_cluster *cluster = sph_check_cluster(L, 1);
    lua_settop(L, 3);
    sph_options_check(L, 3, "namespace", NULL);
    sph_pool_open_op *op = sph_op_new(L, &open_type, sizeof *op);
    const char *name = sph_check_name(L, &op->op, 2);
    op->pool = sph_pool_new(cluster, name, sph_option_string(L, 3, "namespace", ""));
    if (!op->pool)
        return luaL_error(L, "not enough memory");
    return sph_await(L, &op->op, &cluster->object);
}

/*** Pool
 * - pool.name: its name
 * - pool.namespace: "" for the one without a name
 * - pool.id: its number
 * - pool.cluster: the Cluster */
static int l_pool_index(lua_State *L) {
    const sph_pool *pool = sph_check_pool(L, 1);
    const char *key = lua_tostring(L, 2);
    if (!key)
        return 0;
    if (strcmp(key, "name") == 0)
        lua_pushstring(L, pool->name);
    else if (strcmp(key, "namespace") == 0)
        lua_pushstring(L, pool->namespace);
    else if (strcmp(key, "id") == 0)
        lua_pushinteger(L, pool->id);
    else if (strcmp(key, "cluster") == 0)
        lua_getiuservalue(L, 1, 1);
    else
        return 0;
    return 1;
}

/* --- what it is ----------------------------------------------------------------------------------------- */

static int push_stat(lua_State *L, sph_op *op) {
    const struct rados_pool_stat_t *stat = &((sph_pool_stat_op *)op)->stat;
    lua_createtable(L, 0, 6);
    sph_set_integer(L, "bytes", stat->num_bytes);
    sph_set_integer(L, "objects", stat->num_objects);
    sph_set_integer(L, "clones", stat->num_object_clones);
    sph_set_integer(L, "degraded", stat->num_objects_degraded);
    sph_set_integer(L, "compressed_from", stat->compressed_bytes_orig);
    sph_set_integer(L, "compressed_to", stat->compressed_bytes);
    return 1;
}

static const sph_op_type stat_type = {
    .name = "rados.pool.stat", .flags = SPH_OP_ABANDON, .run = sph_pool_stat, .push = push_stat};

/*** pool:stat() -> {bytes=, objects=, clones=, degraded=, compressed_from=, compressed_to=} | nil, err
 * The whole pool, all namespaces, before replication. The OSDs report every few seconds, so it lags behind.
 * `clones` are objects that snapshots keep. */
static int l_pool_stat(lua_State *L) {
    sph_pool *pool = sph_check_pool(L, 1);
    sph_pool_stat_op *op = sph_op_new(L, &stat_type, sizeof *op);
    op->pool = pool;
    return sph_await(L, &op->op, &pool->object);
}

static int push_quota(lua_State *L, sph_op *op) {
    const sph_pool_quota_op *self = (const sph_pool_quota_op *)op;
    lua_createtable(L, 0, 2);
    sph_set_integer(L, "max_bytes", self->max_bytes);
    sph_set_integer(L, "max_objects", self->max_objects);
    return 1;
}

static const sph_op_type quota_type = {
    .name = "rados.pool.quota", .flags = SPH_OP_ABANDON, .run = sph_pool_quota, .push = push_quota};

/*** pool:quota() -> {max_bytes=, max_objects=} | nil, err
 * 0 stands for no limit. A quota trips a few seconds late, since it is checked against the pool's
 * statistics. */
static int l_pool_quota(lua_State *L) {
    sph_pool *pool = sph_check_pool(L, 1);
    sph_pool_quota_op *op = sph_op_new(L, &quota_type, sizeof *op);
    op->pool = pool;
    return sph_await(L, &op->op, &pool->object);
}

static int push_kind(lua_State *L, sph_op *op) {
    lua_pushboolean(L, ((const sph_pool_kind_op *)op)->erasure_coded);
    return 1;
}

static const sph_op_type kind_type = {
    .name = "rados.pool.erasure_coded", .flags = SPH_OP_ABANDON, .run = sph_pool_kind, .push = push_kind};

/*** pool:erasure_coded() -> boolean | nil, err
 * Whether the pool is erasure-coded: then it has no omap, and RBD can keep data there but no headers. */
static int l_pool_erasure_coded(lua_State *L) {
    sph_pool *pool = sph_check_pool(L, 1);
    sph_pool_kind_op *op = sph_op_new(L, &kind_type, sizeof *op);
    op->pool = pool;
    return sph_await(L, &op->op, &pool->object);
}

/* --- what it holds -------------------------------------------------------------------------------------- */

static int push_objects(lua_State *L, sph_op *op) {
    const sph_pool_objects_op *self = (const sph_pool_objects_op *)op;
    lua_createtable(L, (int)self->count, 0);
    for (size_t i = 0; i < self->count; i++) {
        lua_pushstring(L, self->names[i]);
        lua_seti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static const sph_op_type objects_type = {.name = "rados.pool.objects",
                                         .flags = SPH_OP_ABANDON,
                                         .run = sph_pool_objects,
                                         .push = push_objects,
                                         .release = sph_pool_objects_release};

/*** pool:objects(options?) -> {name, ...} | nil, err
 * Names of the objects in the pool's namespace, in no order: those that begin with `prefix`, at most `max` of
 * them. The whole namespace is read whatever the prefix, so this is slow in a large pool. */
static int l_pool_objects(lua_State *L) {
    sph_pool *pool = sph_check_pool(L, 1);
    lua_settop(L, 2);
    sph_options_check(L, 2, "prefix", "max", NULL);
    sph_pool_objects_op *op = sph_op_new(L, &objects_type, sizeof *op);
    op->pool = pool;
    op->prefix = sph_option_copy(L, &op->op, 2, "prefix");
    op->max = sph_option_size(L, 2, "max", INT64_MAX);
    return sph_await(L, &op->op, &pool->object);
}

void sph_open_pool(lua_State *L) {
    static const luaL_Reg methods[] = {{"stat", l_pool_stat},
                                       {"quota", l_pool_quota},
                                       {"erasure_coded", l_pool_erasure_coded},
                                       {"objects", l_pool_objects},
                                       {NULL, NULL}};
    static const luaL_Reg *const groups[] = {methods,
                                             sph_pool_object_methods,
                                             sph_pool_omap_methods,
                                             sph_pool_lock_methods,
                                             sph_pool_watch_methods,
                                             NULL};
    sph_register_class(L, &sph_pool_type, groups, l_pool_index);
}
