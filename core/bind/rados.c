/* siphon.rados: connecting to a cluster.
 *
 * Thread: the loop thread. */
#include "bind/bind.h"
#include "bind/ceph.h"
#include "bind/options.h"

#include "engine/engine.h"

#include <math.h>

static int push_cluster(lua_State *L, sph_op *op) {
    sph_object_push(L, &((sph_connect_op *)op)->cluster->object);
    return 1;
}

static const sph_op_type connect_type = {.name = "rados.connect",
                                         .flags = SPH_OP_ABANDON,
                                         .run = sph_cluster_connect,
                                         .push = push_cluster,
                                         .release = sph_cluster_connect_release};

/* The table `options`, whose keys are names of Ceph options and whose values are strings, numbers or
 * booleans. */
static const char **ceph_options(lua_State *L, sph_op *op, int idx) {
    int type = sph_option_push(L, idx, "options");
    if (type == LUA_TNIL) {
        lua_pop(L, 1);
        return NULL;
    }
    luaL_argcheck(L, type == LUA_TTABLE, idx, "options must be a table of Ceph options");
    size_t count = 0;
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
        count++;
    const char **list = sph_op_bytes(L, op, (2 * count + 1) * sizeof *list);
    size_t n = 0;
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        luaL_argcheck(L, lua_type(L, -2) == LUA_TSTRING, idx, "Ceph options have names");
        luaL_tolstring(L, -1, NULL);
        list[n++] = sph_op_string(L, op, lua_gettop(L) - 2);
        list[n++] = sph_op_string(L, op, lua_gettop(L));
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return list;
}

/*** siphon.rados.connect(options?) -> Cluster | nil, err
 * Connects to a cluster as the ceph tools do: CEPH_ARGS (--id, --name, --cluster, --conf and any Ceph
 * option), then CEPH_CONF or /etc/ceph/ceph.conf, CEPH_KEYRING, and the keyring that the configuration names.
 * What is given here wins over those.
 * - conf: path of the configuration file
 * - cluster: name of the cluster, for `$cluster` in paths
 * - id, name: the user, "siphon", or in full "client.siphon"; default client.admin
 * - keyring: path of its keyring
 * - mon_host: addresses of the monitors
 * - timeout: seconds for the connection, and later for each monitor command; default 30; rounded up
 * - op_timeout: seconds for each OSD operation; default 0, for ever. An operation that timed out may still
 *   happen
 * - options: table of Ceph options, as in the configuration file
 * librbd's cache is off (rbd_cache = false) unless `options` turns it on.
 * Errors: rados.unreachable when no monitor answers in time; rados.auth when the user or its key is
 * refused; rados.conf when there is no configuration, no keyring, or no such Ceph option. */
static int l_rados_connect(lua_State *L) {
    lua_settop(L, 1);
    sph_options_check(L, 1, "conf", "cluster", "id", "name", "keyring", "mon_host", "timeout", "op_timeout",
                      "options", NULL);
    sph_connect_op *op = sph_op_new(L, &connect_type, sizeof *op);
    sph_connect_options *o = &op->options;
    o->conf = sph_option_copy(L, &op->op, 1, "conf");
    o->cluster = sph_option_copy(L, &op->op, 1, "cluster");
    o->id = sph_option_copy(L, &op->op, 1, "id");
    o->name = sph_option_copy(L, &op->op, 1, "name");
    o->keyring = sph_option_copy(L, &op->op, 1, "keyring");
    o->mon_host = sph_option_copy(L, &op->op, 1, "mon_host");
    o->timeout = sph_option_number(L, 1, "timeout", 30);
    o->op_timeout = sph_option_number(L, 1, "op_timeout", 0);
    o->options = ceph_options(L, &op->op, 1);
    luaL_argcheck(L, !o->id || !o->name, 1, "give id or name, not both");
    luaL_argcheck(L, o->timeout > 0 && o->timeout <= 86400, 1,
                  "timeout must be more than 0 seconds, and at most a day");
    luaL_argcheck(L, o->op_timeout >= 0 && o->op_timeout <= 86400, 1,
                  "op_timeout must be from 0 to 86400 seconds");
    op->cluster = sph_object_new(op->op.engine, &sph_cluster_type, sizeof *op->cluster, NULL);
    if (!op->cluster)
        return luaL_error(L, "not enough memory");
    return sph_op_await(L, &op->op);
}

static void set_version(lua_State *L, const char *key, int major, int minor, int patch) {
    lua_pushfstring(L, "%d.%d.%d", major, minor, patch);
    lua_setfield(L, -2, key);
}

/*** siphon.rados.versions() -> {rados=, rbd=}
 * Of the libraries on this host, as they number their interfaces: "3.0.0", "1.16.0". */
static int l_rados_versions(lua_State *L) {
    int major, minor, patch;
    lua_createtable(L, 0, 2);
    rados_version(&major, &minor, &patch);
    set_version(L, "rados", major, minor, patch);
    rbd_version(&major, &minor, &patch);
    set_version(L, "rbd", major, minor, patch);
    return 1;
}

int sph_open_rados(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"connect", l_rados_connect}, {"versions", l_rados_versions}, {NULL, NULL}};
    sph_open_cluster(L);
    sph_open_pool(L);
    sph_open_watch(L);
    luaL_newlib(L, functions);
    return 1;
}
