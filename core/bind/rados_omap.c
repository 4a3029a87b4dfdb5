/* Pool: omap, an object's map of keys to values.
 *
 * Thread: the loop thread. */
#include "bind/ceph.h"
#include "bind/options.h"

#include "ceph/omap.h"

/* --- tables to pairs ------------------------------------------------------------------------------------ */

/* Room for `count` pairs. */
static sph_pairs new_pairs(lua_State *L, sph_op *op, size_t count) {
    sph_pairs pairs = {0};
    pairs.keys = sph_op_bytes(L, op, (count + 1) * sizeof *pairs.keys);
    pairs.values = sph_op_bytes(L, op, (count + 1) * sizeof *pairs.values);
    pairs.key_sizes = sph_op_bytes(L, op, (count + 1) * sizeof *pairs.key_sizes);
    pairs.value_sizes = sph_op_bytes(L, op, (count + 1) * sizeof *pairs.value_sizes);
    return pairs;
}

/* The table of strings by strings at idx. */
static sph_pairs check_map(lua_State *L, sph_op *op, int idx) {
    size_t count = 0;
    for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) {
        luaL_argcheck(L, lua_type(L, -2) == LUA_TSTRING && lua_type(L, -1) == LUA_TSTRING, idx,
                      "omap keys and values are strings");
        count++;
    }
    sph_pairs pairs = new_pairs(L, op, count);
    for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) {
        int value = lua_gettop(L);
        pairs.keys[pairs.count] = sph_op_data(L, op, value - 1, &pairs.key_sizes[pairs.count]);
        pairs.values[pairs.count] = sph_op_data(L, op, value, &pairs.value_sizes[pairs.count]);
        pairs.count++;
    }
    return pairs;
}

/* The list of strings at idx, as keys. */
static sph_pairs check_keys(lua_State *L, sph_op *op, int idx) {
    size_t count = (size_t)luaL_len(L, idx);
    sph_pairs pairs = new_pairs(L, op, count);
    for (size_t i = 0; i < count; i++) {
        if (lua_geti(L, idx, (lua_Integer)i + 1) != LUA_TSTRING)
            luaL_argerror(L, idx, "omap keys are strings");
        pairs.keys[i] = sph_op_data(L, op, lua_gettop(L), &pairs.key_sizes[i]);
        lua_pop(L, 1);
    }
    pairs.count = count;
    return pairs;
}

/* Field `key` of the options, read by `check`; none when it is nil. */
static sph_pairs option(lua_State *L, sph_op *op, int idx, const char *key,
                        sph_pairs (*check)(lua_State *, sph_op *, int)) {
    sph_pairs pairs = {0};
    int type = sph_option_push(L, idx, key);
    if (type != LUA_TNIL && type != LUA_TTABLE)
        luaL_argerror(L, idx, lua_pushfstring(L, "option '%s' must be a table", key));
    if (type == LUA_TTABLE)
        pairs = check(L, op, lua_gettop(L));
    lua_pop(L, 1);
    return pairs;
}

/* --- reading -------------------------------------------------------------------------------------------- */

static int push_entries(lua_State *L, sph_op *op) {
    const sph_omap_get_op *self = (const sph_omap_get_op *)op;
    lua_createtable(L, 0, (int)self->count);
    for (size_t i = 0; i < self->count; i++) {
        const sph_omap_entry *e = &self->entries[i];
        lua_pushlstring(L, e->key, e->key_size);
        lua_pushlstring(L, e->value, e->value_size);
        lua_rawset(L, -3);
    }
    if (!self->more || !self->count)
        return 1;
    const sph_omap_entry *last = &self->entries[self->count - 1];
    lua_pushlstring(L, last->key, last->key_size);
    return 2;
}

static const sph_op_type get_type = {.name = "rados.omap_get",
                                     .flags = SPH_OP_ABANDON,
                                     .run = sph_omap_get,
                                     .push = push_entries,
                                     .release = sph_omap_get_release};

/*** pool:omap_get(name, options?) -> {key = value, ...}, after? | nil, err
 * Entries of the object's omap; values are bytes. When `max` cut the answer, the second result is its last
 * key: the `after` of the next call.
 * - keys: only these (those that are absent are left out)
 * - prefix: only keys that begin so
 * - after: only keys that sort after this one
 * - max: at most so many; default: all, read in pages
 * Errors: ENOENT when there is no such object. */
static int l_pool_omap_get(lua_State *L) {
    sph_pool *pool = sph_check_pool(L, 1);
    lua_settop(L, 3);
    sph_options_check(L, 3, "keys", "prefix", "after", "max", NULL);
    sph_omap_get_op *op = sph_op_new(L, &get_type, sizeof *op);
    op->pool = pool;
    op->name = sph_check_name(L, &op->op, 2);
    op->wanted = option(L, &op->op, 3, "keys", check_keys);
    op->by_key = op->wanted.keys != NULL;
    op->prefix = sph_option_copy(L, &op->op, 3, "prefix");
    op->after = sph_option_copy(L, &op->op, 3, "after");
    op->max = sph_option_size(L, 3, "max", INT64_MAX);
    luaL_argcheck(L, !op->by_key || (!op->prefix && !op->after), 3,
                  "keys goes with neither prefix nor after");
    return sph_await(L, &op->op, &pool->object);
}

/* --- changing ------------------------------------------------------------------------------------------- */

static const sph_op_type set_type = {.name = "rados.omap_set", .run = sph_omap_change};
static const sph_op_type remove_type = {.name = "rados.omap_remove", .run = sph_omap_change};

static sph_omap_change_op *new_change(lua_State *L, const sph_op_type *type) {
    sph_pool *pool = sph_check_pool(L, 1);
    luaL_checktype(L, 3, LUA_TTABLE);
    lua_settop(L, 4);
    sph_omap_change_op *op = sph_op_new(L, type, sizeof *op);
    op->pool = pool;
    op->name = sph_check_name(L, &op->op, 2);
    op->expect = option(L, &op->op, 4, "expect", check_map);
    return op;
}

static int await(lua_State *L, sph_omap_change_op *op) {
    return sph_await(L, &op->op, &op->pool->object);
}

/*** pool:omap_set(name, {key = value, ...}, options?) -> true | nil, err
 * Sets entries, all in one atomic operation; the object is made when it is not there.
 * - expect: {key = value, ...}: nothing changes unless each of these keys has that value now; "" also stands
 *   for an absent one
 * - remove: {key, ...}: these go, in the same operation
 * - create: "exclusive": the object must be new; "never": it must be there
 * Errors: rados.conflict when something is not as expected; EEXIST; ENOENT; EOPNOTSUPP in an erasure-coded
 * pool. */
static int l_pool_omap_set(lua_State *L) {
    static const char *const how[] = {"always", "exclusive", "never", NULL};
    sph_options_check(L, 4, "expect", "remove", "create", NULL);
    sph_omap_change_op *op = new_change(L, &set_type);
    op->set = check_map(L, &op->op, 3);
    op->remove = option(L, &op->op, 4, "remove", check_keys);
    int create = sph_option_choice(L, 4, "create", how);
    op->exclusive = create == 1;
    op->must_exist = create == 2;
    return await(L, op);
}

/*** pool:omap_remove(name, {key, ...}, options?) -> true | nil, err
 * Removes entries; those that are absent do no harm.
 * - expect: as for omap_set
 * Errors: rados.conflict when something is not as expected; ENOENT when there is no such object. */
static int l_pool_omap_remove(lua_State *L) {
    sph_options_check(L, 4, "expect", NULL);
    sph_omap_change_op *op = new_change(L, &remove_type);
    op->remove = check_keys(L, &op->op, 3);
    op->must_exist = true;
    return await(L, op);
}

const luaL_Reg sph_pool_omap_methods[] = {{"omap_get", l_pool_omap_get},
                                          {"omap_set", l_pool_omap_set},
                                          {"omap_remove", l_pool_omap_remove},
                                          {NULL, NULL}};
