/* siphon.rbd: the images of a pool.
 *
 * Thread: the loop thread. */
#include "bind/bind.h"
#include "bind/ceph.h"
#include "bind/options.h"

#include "ceph/image_make.h"

/* An operation on image `name` (index 2) of the pool at index 1. */
static sph_image_make_op *new_make(lua_State *L, const sph_op_type *type, int args) {
    sph_pool *pool = sph_check_pool(L, 1);
    lua_settop(L, args);
    sph_image_make_op *op = sph_op_new(L, type, sizeof *op);
    op->pool = pool;
    op->name = sph_check_name(L, &op->op, 2);
    return op;
}

static int await(lua_State *L, sph_image_make_op *op) {
    return sph_await(L, &op->op, &op->pool->object);
}

/* --- lists ---------------------------------------------------------------------------------------------- */

static int push_images(lua_State *L, sph_op *op) {
    const sph_image_list_op *self = (const sph_image_list_op *)op;
    lua_createtable(L, (int)self->count, 0);
    for (size_t i = 0; i < self->count; i++) {
        lua_createtable(L, 0, 2);
        sph_set_string(L, "id", self->images[i].id);
        sph_set_string(L, "name", self->images[i].name);
        lua_seti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static const sph_op_type list_type = {.name = "rbd.list",
                                      .flags = SPH_OP_ABANDON,
                                      .run = sph_image_list,
                                      .push = push_images,
                                      .release = sph_image_list_release};

/*** siphon.rbd.list(pool) -> {{id=, name=}, ...} | nil, err
 * The images in the pool's namespace, without those in the trash. */
static int l_rbd_list(lua_State *L) {
    sph_pool *pool = sph_check_pool(L, 1);
    sph_image_list_op *op = sph_op_new(L, &list_type, sizeof *op);
    op->pool = pool;
    return sph_await(L, &op->op, &pool->object);
}

static int push_namespaces(lua_State *L, sph_op *op) {
    const sph_namespace_list_op *self = (const sph_namespace_list_op *)op;
    const char *name = self->names, *end = self->names + self->size;
    lua_newtable(L);
    for (lua_Integer i = 1; name < end && *name; i++) {
        lua_pushstring(L, name);
        name += lua_rawlen(L, -1) + 1;
        lua_seti(L, -2, i);
    }
    return 1;
}

static const sph_op_type namespaces_type = {.name = "rbd.namespaces",
                                            .flags = SPH_OP_ABANDON,
                                            .run = sph_namespace_list,
                                            .push = push_namespaces,
                                            .release = sph_namespace_list_release};

/*** siphon.rbd.namespaces(pool) -> {name, ...} | nil, err
 * The namespaces that RBD knows in the pool (`rbd namespace ls`), whichever one `pool` is bound to. */
static int l_rbd_namespaces(lua_State *L) {
    sph_pool *pool = sph_check_pool(L, 1);
    sph_namespace_list_op *op = sph_op_new(L, &namespaces_type, sizeof *op);
    op->pool = pool;
    return sph_await(L, &op->op, &pool->object);
}

/* --- images --------------------------------------------------------------------------------------------- */

static const sph_op_type create_type = {.name = "rbd.create", .run = sph_image_create};

/*** siphon.rbd.create(pool, name, options) -> true | nil, err
 * Makes an image.
 * - size: bytes; required
 * - features: list of names, such as {"layering", "exclusive-lock"}; default: rbd_default_features.
 *   "striping" and "data-pool" follow from the options below; "fast-diff" comes with "object-map"
 * - order: objects of 2^order bytes, 12 to 25; default: rbd_default_order, 22
 * - data_pool: where the data goes, for instance an erasure-coded pool
 * - stripe_unit, stripe_count: fancy striping: bytes, and how many objects
 * Errors: EEXIST when the name is taken; EINVAL when features and layout do not go together; ENOENT when
 * the data pool or the namespace is missing; EDQUOT or ENOSPC when there is no room. */
static int l_rbd_create(lua_State *L) {
    luaL_checktype(L, 3, LUA_TTABLE);
    sph_options_check(L, 3, "size", SPH_IMAGE_OPTION_NAMES, NULL);
    sph_image_make_op *op = new_make(L, &create_type, 3);
    luaL_argcheck(L, sph_option_push(L, 3, "size") != LUA_TNIL, 3, "option 'size' is missing");
    op->size = sph_option_size(L, 3, "size", 0);
    sph_option_image(L, &op->op, 3, &op->options);
    return await(L, op);
}

static const sph_op_type remove_type = {.name = "rbd.remove", .run = sph_image_remove};

/*** siphon.rbd.remove(pool, name, options?) -> true | nil, err
 * Removes an image and its data. Cancelling stops it: the image is then partly gone, cannot be opened or
 * listed any more, and wants to be removed again, by its name. A read-only handle does not hold the image:
 * reads through it turn to zeroes.
 * - progress: function(done, total), in objects
 * Errors: ENOTEMPTY when it has snapshots; EBUSY when somebody has it open (the message says who) or a
 * clone needs it; ENOENT. */
static int l_rbd_remove(lua_State *L) {
    sph_options_check(L, 3, "progress", NULL);
    sph_image_make_op *op = new_make(L, &remove_type, 3);
    sph_op_progress_option(L, &op->op, 3);
    return await(L, op);
}

static const sph_op_type rename_type = {.name = "rbd.rename", .run = sph_image_rename};

/*** siphon.rbd.rename(pool, name, new_name) -> true | nil, err
 * Gives an image another name in the same pool. EEXIST when that is taken. */
static int l_rbd_rename(lua_State *L) {
    sph_image_make_op *op = new_make(L, &rename_type, 3);
    op->new_name = sph_check_name(L, &op->op, 3);
    return await(L, op);
}

/* --- the module ----------------------------------------------------------------------------------------- */

int sph_open_rbd(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"list", l_rbd_list}, {"namespaces", l_rbd_namespaces}, {"create", l_rbd_create},
        {"open", l_rbd_open}, {"remove", l_rbd_remove},         {"rename", l_rbd_rename},
        {NULL, NULL}};
    sph_open_image(L);
    sph_open_temporary_snapshot(L);
    luaL_newlib(L, functions);
    luaL_setfuncs(L, sph_rbd_trash_functions, 0);
    return 1;
}
