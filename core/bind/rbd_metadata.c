/* Image: its metadata ("image-meta"), and the images that were cloned from it.
 *
 * Thread: the loop thread. */
#include "bind/ceph.h"

#include "ceph/image_state.h"

#include <string.h>

/* --- metadata ------------------------------------------------------------------------------------------- */

static int push_metadata(lua_State *L, sph_op *op) {
    const sph_image_metadata_op *self = (const sph_image_metadata_op *)op;
    const char *key = self->keys, *value = self->values;
    lua_createtable(L, 0, (int)self->count);
    for (size_t i = 0; i < self->count; i++) {
        lua_pushstring(L, value);
        lua_setfield(L, -2, key);
        key += strlen(key) + 1;
        value += strlen(value) + 1;
    }
    return 1;
}

static const sph_op_type metadata_type = {.name = "rbd.metadata_list",
                                          .flags = SPH_OP_ABANDON,
                                          .run = sph_image_metadata,
                                          .push = push_metadata,
                                          .release = sph_image_metadata_release};

/*** image:metadata() -> {key = value, ...} | nil, err
 * The image's metadata, as of now. Keys that begin with "conf_" are Ceph options for clients that open it,
 * such as limits on its I/O. */
static int l_image_metadata(lua_State *L) {
    sph_image *image = sph_check_image(L, 1);
    sph_image_metadata_op *op = sph_op_new(L, &metadata_type, sizeof *op);
    op->image = image;
    return sph_await(L, &op->op, &image->object);
}

static const sph_op_type set_type = {.name = "rbd.metadata_set", .run = sph_image_metadata_set};

/*** image:metadata_set(key, value) -> true | nil, err
 * Sets or replaces one entry. */
static int l_image_metadata_set(lua_State *L) {
    luaL_checktype(L, 3, LUA_TSTRING);
    sph_image_op *op = sph_image_op_new(L, &set_type, 3);
    op->name = sph_check_name(L, &op->op, 2);
    op->value = sph_op_string(L, &op->op, 3);
    return sph_image_op_await(L, op);
}

static const sph_op_type remove_type = {.name = "rbd.metadata_remove", .run = sph_image_metadata_remove};

/*** image:metadata_remove(key) -> true | nil, err
 * ENOENT when there is no such entry. */
static int l_image_metadata_remove(lua_State *L) {
    sph_image_op *op = sph_image_op_new(L, &remove_type, 2);
    op->name = sph_check_name(L, &op->op, 2);
    return sph_image_op_await(L, op);
}

/* --- clones --------------------------------------------------------------------------------------------- */

static int push_children(lua_State *L, sph_op *op) {
    const sph_image_children_op *self = (const sph_image_children_op *)op;
    lua_createtable(L, (int)self->count, 0);
    for (size_t i = 0; i < self->count; i++) {
        const rbd_linked_image_spec_t *child = &self->list[i];
        lua_createtable(L, 0, 6);
        sph_set_string(L, "pool", child->pool_name);
        sph_set_integer(L, "pool_id", (uint64_t)child->pool_id);
        sph_set_string(L, "namespace", child->pool_namespace);
        sph_set_string(L, "image", child->image_name);
        sph_set_string(L, "image_id", child->image_id);
        sph_set_boolean(L, "trash", child->trash);
        lua_seti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static const sph_op_type children_type = {.name = "rbd.list_children",
                                          .flags = SPH_OP_ABANDON,
                                          .run = sph_image_children,
                                          .push = push_children,
                                          .release = sph_image_children_release};

/*** image:children(snapshot?) -> {{pool=, pool_id=, namespace=, image=, image_id=, trash=}, ...} | nil, err
 * The images cloned from the snapshot of that name, or from the one that the handle is open at, or (at the
 * head) from any, those in the trash included. As of now. */
static int l_image_children(lua_State *L) {
    sph_image *image = sph_check_image(L, 1);
    lua_settop(L, 2);
    sph_image_children_op *op = sph_op_new(L, &children_type, sizeof *op);
    op->image = image;
    op->snapshot = lua_isnil(L, 2) ? NULL : sph_check_name(L, &op->op, 2);
    return sph_await(L, &op->op, &image->object);
}

const luaL_Reg sph_image_metadata_methods[] = {{"metadata", l_image_metadata},
                                               {"metadata_set", l_image_metadata_set},
                                               {"metadata_remove", l_image_metadata_remove},
                                               {"children", l_image_children},
                                               {NULL, NULL}};
