/* Cluster: a connection, and what it tells about the cluster.
 *
 * Thread: the loop thread. */
#include "bind/ceph.h"
#include "bind/options.h"

#include "ceph/release.h"

#include <string.h>

/*** Cluster
 * - cluster.fsid: the cluster's id, a UUID
 * - cluster.name: the user in full: "client.siphon"
 * - cluster.id: the user: "siphon"
 * - cluster.address: this connection's address, as blocklists name it: "192.0.2.7:0/123456"
 * - cluster.client: this connection, as locks name their holder: "client.4123" */
static int l_cluster_index(lua_State *L) {
    const sph_cluster *cluster = sph_check_cluster(L, 1);
    const char *key = lua_tostring(L, 2);
    const char *dot = strchr(cluster->name, '.');
    if (!key)
        return 0;
    if (strcmp(key, "fsid") == 0)
        lua_pushstring(L, cluster->fsid);
    else if (strcmp(key, "name") == 0)
        lua_pushstring(L, cluster->name);
    else if (strcmp(key, "id") == 0)
        lua_pushstring(L, dot ? dot + 1 : cluster->name);
    else if (strcmp(key, "address") == 0)
        lua_pushstring(L, cluster->address);
    else if (strcmp(key, "client") == 0)
        lua_pushstring(L, cluster->client);
    else
        return 0;
    return 1;
}

/*** cluster:setting(name) -> string | nil
 * The value of a Ceph option in this connection, from wherever it came ("mon_host", "keyring"), for programs
 * that have to find the same cluster. nil for an unknown option and for `key`, which is a secret. */
static int l_cluster_setting(lua_State *L) {
    const sph_cluster *cluster = sph_check_cluster(L, 1);
    const char *name = luaL_checkstring(L, 2);
    char value[4096];
    if (strcmp(name, "key") == 0 || rados_conf_get(cluster->rados, name, value, sizeof value) < 0)
        return 0;
    lua_pushstring(L, value);
    return 1;
}

/* --- release, space ------------------------------------------------------------------------------------- */

static int push_release(lua_State *L, sph_op *op) {
    const sph_release *release = &((sph_release_op *)op)->release;
    lua_createtable(L, 0, 4);
    sph_set_string(L, "name", release->name);
    sph_set_string(L, "version", release->version);
    sph_set_integer(L, "number", (uint64_t)release->number);
    sph_set_integer(L, "osd", (uint64_t)release->osd);
    return 1;
}

static const sph_op_type release_type = {
    .name = "rados.release", .flags = SPH_OP_ABANDON, .run = sph_release_ask, .push = push_release};

/*** cluster:release() -> {name=, version=, number=, osd=} | nil, err
 * The monitor's release: "pacific", "16.2.15", 16; and `osd`, the release that the OSD map requires of
 * every OSD (require_osd_release), which is what OSDs can be counted on for while a cluster is being
 * upgraded. */
static int l_cluster_release(lua_State *L) {
    sph_cluster *cluster = sph_check_cluster(L, 1);
    sph_release_op *op = sph_op_new(L, &release_type, sizeof *op);
    op->cluster = cluster;
    return sph_await(L, &op->op, &cluster->object);
}

static int push_stat(lua_State *L, sph_op *op) {
    const struct rados_cluster_stat_t *stat = &((sph_cluster_stat_op *)op)->stat;
    lua_createtable(L, 0, 4);
    sph_set_integer(L, "size", stat->kb * 1024);
    sph_set_integer(L, "used", stat->kb_used * 1024);
    sph_set_integer(L, "available", stat->kb_avail * 1024);
    sph_set_integer(L, "objects", stat->num_objects);
    return 1;
}

static const sph_op_type stat_type = {
    .name = "rados.stat", .flags = SPH_OP_ABANDON, .run = sph_cluster_stat, .push = push_stat};

/*** cluster:stat() -> {size=, used=, available=, objects=} | nil, err
 * Raw space of all OSDs in bytes, replicas included. What a pool can still take is in `ceph df`
 * (max_avail). */
static int l_cluster_stat(lua_State *L) {
    sph_cluster *cluster = sph_check_cluster(L, 1);
    sph_cluster_stat_op *op = sph_op_new(L, &stat_type, sizeof *op);
    op->cluster = cluster;
    return sph_await(L, &op->op, &cluster->object);
}

/* --- pools ---------------------------------------------------------------------------------------------- */

static int push_pools(lua_State *L, sph_op *op) {
    const sph_cluster_pools_op *self = (const sph_cluster_pools_op *)op;
    lua_createtable(L, (int)self->count, 0);
    for (size_t i = 0; i < self->count; i++) {
        lua_createtable(L, 0, 2);
        sph_set_integer(L, "id", (uint64_t)self->pools[i].id);
        sph_set_string(L, "name", self->pools[i].name);
        lua_seti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static const sph_op_type pools_type = {.name = "rados.pools",
                                       .flags = SPH_OP_ABANDON,
                                       .run = sph_cluster_pools,
                                       .push = push_pools,
                                       .release = sph_cluster_pools_release};

/*** cluster:pools() -> {{id=, name=}, ...} | nil, err
 * All pools of the cluster, whether or not this user may read them. */
static int l_cluster_pools(lua_State *L) {
    sph_cluster *cluster = sph_check_cluster(L, 1);
    sph_cluster_pools_op *op = sph_op_new(L, &pools_type, sizeof *op);
    op->cluster = cluster;
    return sph_await(L, &op->op, &cluster->object);
}

/* --- fencing -------------------------------------------------------------------------------------------- */

static const sph_op_type blocklist_type = {.name = "rados.blocklist", .run = sph_cluster_blocklist};

/*** cluster:blocklist(address, seconds) -> true | nil, err
 * Bars a client, named by its `cluster.address`, from the cluster for that long. From now on no operation of
 * that client happens after one of ours on the same object: its own get ESHUTDOWN. The monitor capability
 * 'profile rbd' allows it. Needs Ceph 16 or later on this host. */
static int l_cluster_blocklist(lua_State *L) {
    sph_cluster *cluster = sph_check_cluster(L, 1);
    lua_Integer seconds = luaL_checkinteger(L, 3);
    luaL_argcheck(L, seconds > 0 && seconds <= UINT32_MAX, 3, "a number of seconds, 1 or more");
    lua_settop(L, 3);
    sph_cluster_blocklist_op *op = sph_op_new(L, &blocklist_type, sizeof *op);
    op->cluster = cluster;
    const char *address = sph_check_name(L, &op->op, 2);
    size_t size = strlen(address) + 1;
    op->address = memcpy(sph_op_bytes(L, &op->op, size), address, size); /* librados may change it */
    op->seconds = (uint32_t)seconds;
    return sph_await(L, &op->op, &cluster->object);
}

void sph_open_cluster(lua_State *L) {
    static const luaL_Reg methods[] = {{"release", l_cluster_release},
                                       {"stat", l_cluster_stat},
                                       {"setting", l_cluster_setting},
                                       {"pools", l_cluster_pools},
                                       {"pool", l_cluster_pool},
                                       {"blocklist", l_cluster_blocklist},
                                       {NULL, NULL}};
    static const luaL_Reg *const groups[] = {methods, sph_cluster_command_methods, NULL};
    sph_register_class(L, &sph_cluster_type, groups, l_cluster_index);
}
