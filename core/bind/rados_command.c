/* Cluster: commands to the monitors and the manager.
 *
 * Thread: the loop thread. */
#include "bind/ceph.h"

#include "ceph/command.h"

#include <math.h>
#include <string.h>

/* --- a command as a flat table -------------------------------------------------------------------------- */

static void push_json(lua_State *L, int idx);

static void push_json_string(lua_State *L, int idx) {
    size_t length;
    const char *text = lua_tolstring(L, idx, &length);
    if (strlen(text) != length)
        luaL_error(L, "a command's strings contain no zero byte");
    size_t room = length * 6 + 3; /* every byte may become \u00xx */
    char *quoted = lua_newuserdatauv(L, room, 0);
    sph_command_quote(quoted, room, text);
    lua_pushstring(L, quoted);
    lua_remove(L, -2);
}

static void push_json_list(lua_State *L, int idx) {
    lua_pushliteral(L, "[");
    for (lua_Integer i = 1; lua_geti(L, idx, i) != LUA_TNIL; i++) {
        int item = lua_gettop(L);
        lua_pushstring(L, i > 1 ? "," : "");
        push_json(L, item);
        lua_remove(L, item);
        lua_concat(L, 3);
    }
    lua_pop(L, 1);
    lua_pushliteral(L, "]");
    lua_concat(L, 2);
}

/* Pushes the value at the absolute index idx as JSON. */
static void push_json(lua_State *L, int idx) {
    luaL_checkstack(L, 8, NULL);
    switch (lua_type(L, idx)) {
    case LUA_TSTRING:
        push_json_string(L, idx);
        break;
    case LUA_TBOOLEAN:
        lua_pushstring(L, lua_toboolean(L, idx) ? "true" : "false");
        break;
    case LUA_TNUMBER:
        if (!lua_isinteger(L, idx) && !isfinite(lua_tonumber(L, idx)))
            luaL_error(L, "a command's numbers are finite");
        lua_pushvalue(L, idx);
        lua_tostring(L, -1);
        break;
    case LUA_TTABLE:
        push_json_list(L, idx);
        break;
    default:
        luaL_error(L, "a command holds strings, numbers, booleans and lists of those, not a %s",
                   luaL_typename(L, idx));
    }
}

static void push_json_object(lua_State *L, int idx) {
    lua_pushliteral(L, "{");
    const char *separator = "";
    for (lua_pushnil(L); lua_next(L, idx);) {
        int key = lua_gettop(L) - 1, value = key + 1;
        if (lua_type(L, key) != LUA_TSTRING)
            luaL_argerror(L, idx, "a command is a table with named fields");
        lua_pushvalue(L, key - 1); /* what there is so far */
        lua_pushstring(L, separator);
        push_json_string(L, key);
        lua_pushliteral(L, ":");
        push_json(L, value);
        lua_concat(L, 5);
        lua_replace(L, key - 1);
        lua_pop(L, 1);
        separator = ",";
    }
    lua_pushliteral(L, "}");
    lua_concat(L, 2);
}

/* --- commands ------------------------------------------------------------------------------------------- */

static int push_output(lua_State *L, sph_op *op) {
    const sph_command_op *self = (const sph_command_op *)op;
    lua_pushlstring(L, self->output ? self->output : "", self->output_size);
    return 1;
}

static int command(lua_State *L, const sph_op_type *type) {
    sph_cluster *cluster = sph_check_cluster(L, 1);
    lua_settop(L, 3);
    if (lua_istable(L, 2)) {
        push_json_object(L, 2);
        lua_replace(L, 2);
    } else {
        luaL_checktype(L, 2, LUA_TSTRING);
    }
    sph_command_op *op = sph_op_new(L, type, sizeof *op);
    op->cluster = cluster;
    op->command = sph_op_string(L, &op->op, 2);
    op->input = "";
    if (!lua_isnil(L, 3))
        op->input = sph_op_data(L, &op->op, 3, &op->input_size);
    return sph_await(L, &op->op, &cluster->object);
}

static const sph_op_type mon_type = {
    .name = "rados.mon_command", .run = sph_command_mon, .push = push_output, .release = sph_command_release};

/*** cluster:mon_command(command, input?) -> string | nil, err
 * Sends a command to the monitors and gives their output. `command` is JSON, or a flat table such as {prefix
 * = "osd pool ls", format = "json"}; the prefixes are those that `ceph --verbose` shows. Bounded by the
 * connection's timeout.
 * Errors: the monitors' own errno, with what they say as the message; EACCES when the user may not give
 * it. */
static int l_cluster_mon_command(lua_State *L) {
    return command(L, &mon_type);
}

static const sph_op_type mgr_type = {
    .name = "rados.mgr_command", .run = sph_command_mgr, .push = push_output, .release = sph_command_release};

/*** cluster:mgr_command(command, input?) -> string | nil, err
 * The same, to the active manager; for example `rbd task list`. */
static int l_cluster_mgr_command(lua_State *L) {
    return command(L, &mgr_type);
}

const luaL_Reg sph_cluster_command_methods[] = {
    {"mon_command", l_cluster_mon_command}, {"mgr_command", l_cluster_mgr_command}, {NULL, NULL}};
