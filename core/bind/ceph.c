#include "bind/ceph.h"

#include "bind/options.h"

#include <string.h>

sph_cluster *sph_check_cluster(lua_State *L, int idx) {
    return sph_object_check(L, idx, &sph_cluster_type);
}

sph_pool *sph_check_pool(lua_State *L, int idx) {
    return sph_object_check(L, idx, &sph_pool_type);
}

sph_image *sph_check_image(lua_State *L, int idx) {
    return sph_object_check(L, idx, &sph_image_type);
}

int sph_await(lua_State *L, sph_op *op, sph_object *object) {
    sph_op_use(op, object);
    return sph_op_await(L, op);
}

sph_image_op *sph_image_op_new(lua_State *L, const sph_op_type *type, int args) {
    sph_image *image = sph_check_image(L, 1);
    lua_settop(L, args);
    sph_image_op *op = sph_op_new(L, type, sizeof *op);
    op->image = image;
    return op;
}

int sph_image_op_await(lua_State *L, sph_image_op *op) {
    return sph_await(L, &op->op, &op->image->object);
}

void sph_push_child(lua_State *L, sph_object *object, int parent) {
    sph_object_push(L, object);
    lua_pushvalue(L, parent);
    lua_setiuservalue(L, -2, 1);
}

void sph_register_class(lua_State *L, const sph_object_type *type, const luaL_Reg *const *groups,
                        int (*index)(lua_State *L)) {
    luaL_Reg all[64];
    size_t n = 0;
    for (; *groups; groups++)
        for (const luaL_Reg *r = *groups; r->name && n < sizeof all / sizeof *all - 1; r++)
            all[n++] = *r;
    all[n] = (luaL_Reg){NULL, NULL};
    sph_object_register(L, type, all, index);
}

/* --- arguments ------------------------------------------------------------------------------------------ */

const char *sph_check_name(lua_State *L, sph_op *op, int idx) {
    luaL_checktype(L, idx, LUA_TSTRING);
    luaL_argcheck(L, lua_rawlen(L, idx) > 0, idx, "a name that is not empty");
    return sph_op_string(L, op, idx);
}

uint64_t sph_check_size(lua_State *L, int idx) {
    lua_Integer n = luaL_checkinteger(L, idx);
    luaL_argcheck(L, n >= 0, idx, "a number of bytes, 0 or more");
    return (uint64_t)n;
}

int sph_option_choice(lua_State *L, int idx, const char *key, const char *const *names) {
    const char *given = sph_option_string(L, idx, key, NULL);
    for (int i = 0; given && names[i]; i++)
        if (strcmp(names[i], given) == 0)
            return i;
    return given ? luaL_argerror(L, idx, lua_pushfstring(L, "option '%s' cannot be \"%s\"", key, given)) : 0;
}

uint64_t sph_option_features(lua_State *L, int idx, const char *key, bool *given) {
    uint64_t bits = 0;
    int type = sph_option_push(L, idx, key);
    *given = type != LUA_TNIL;
    if (*given && type != LUA_TTABLE)
        luaL_argerror(L, idx, lua_pushfstring(L, "option '%s' must be a list of feature names", key));
    for (lua_Integer i = 1; *given && lua_geti(L, -1, i) != LUA_TNIL; i++) {
        const char *name = lua_tostring(L, -1);
        uint64_t bit = name ? sph_feature_bit(name) : 0;
        if (!bit)
            luaL_argerror(L, idx,
                          lua_pushfstring(L, "option '%s': there is no feature \"%s\"", key,
                                          name ? name : luaL_typename(L, -1)));
        bits |= bit;
        lua_pop(L, 1);
    }
    lua_pop(L, *given ? 2 : 1);
    return bits;
}

void sph_option_image(lua_State *L, sph_op *op, int idx, sph_image_options *options) {
    options->features = sph_option_features(L, idx, "features", &options->has_features);
    uint64_t order = sph_option_size(L, idx, "order", 0);
    if (order && (order < 12 || order > 25))
        luaL_argerror(L, idx, "order must be from 12 to 25: objects of 4 KiB to 32 MiB");
    options->order = (int)order;
    options->data_pool = sph_option_copy(L, op, idx, "data_pool");
    options->stripe_unit = sph_option_size(L, idx, "stripe_unit", 0);
    options->stripe_count = sph_option_size(L, idx, "stripe_count", 0);
}

uint32_t sph_option_snapshot_flags(lua_State *L, int idx) {
    uint32_t flags = 0;
    if (sph_option_boolean(L, idx, "skip_quiesce", false))
        flags |= RBD_SNAP_CREATE_SKIP_QUIESCE;
    if (sph_option_boolean(L, idx, "ignore_quiesce_error", false))
        flags |= RBD_SNAP_CREATE_IGNORE_QUIESCE_ERROR;
    return flags;
}

/* --- results -------------------------------------------------------------------------------------------- */

void sph_push_bits(lua_State *L, const sph_bit_name *names, uint64_t bits) {
    lua_newtable(L);
    lua_Integer n = 0;
    for (const sph_bit_name *b = names; b->name; b++)
        if (bits & b->bit) {
            lua_pushstring(L, b->name);
            lua_seti(L, -2, ++n);
        }
}

void sph_set_string(lua_State *L, const char *key, const char *value) {
    if (!value || !*value)
        return;
    lua_pushstring(L, value);
    lua_setfield(L, -2, key);
}

void sph_set_integer(lua_State *L, const char *key, uint64_t value) {
    lua_pushinteger(L, (lua_Integer)value);
    lua_setfield(L, -2, key);
}

void sph_set_boolean(lua_State *L, const char *key, bool value) {
    lua_pushboolean(L, value);
    lua_setfield(L, -2, key);
}
