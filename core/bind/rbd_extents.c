/* Image: what exists of it.
 *
 * Thread: the loop thread. */
#include "bind/ceph.h"
#include "bind/options.h"

#include "ceph/extents.h"

static int push_extents(lua_State *L, sph_op *op) {
    const sph_extents_op *self = (const sph_extents_op *)op;
    lua_createtable(L, (int)self->count, 0);
    for (size_t i = 0; i < self->count; i++) {
        lua_createtable(L, 0, 3);
        sph_set_integer(L, "offset", self->list[i].offset);
        sph_set_integer(L, "length", self->list[i].length);
        sph_set_boolean(L, "exists", self->list[i].exists);
        lua_seti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static const sph_op_type extents_type = {
    .name = "rbd.extents", .run = sph_extents_list, .push = push_extents, .release = sph_extents_release};

/*** image:extents(options?) -> {{offset=, length=, exists=}, ...} | nil, err
 * Which ranges hold data, in order; what lies between was never written. Neighbours of the same kind are one.
 * It does not tell which bytes within an object are allocated. Cancelling stops it.
 * - offset, length: the range to look at; default: all
 * - include_parent: also what only a parent holds; default true
 * - whole_object: default true: in units of objects, from the object map where info().fast_diff says that
 *   there is a valid one (0.02 s for 100 GiB), else by asking the OSDs for every object that could exist
 *   (some seconds per 100 GiB). false: always the latter; the end of a short object is then exact
 * - from_snapshot: only what changed since that snapshot; `exists` is false where data went
 * - progress: function(done, total), in bytes of the image
 * Errors: ENOENT when there is no such snapshot; EINVAL when it is not older than what the image is open
 * at. */
static int l_image_extents(lua_State *L) {
    sph_image *image = sph_check_image(L, 1);
    lua_settop(L, 2);
    sph_options_check(L, 2, "offset", "length", "include_parent", "whole_object", "from_snapshot", "progress",
                      NULL);
    sph_extents_op *op = sph_op_new(L, &extents_type, sizeof *op);
    op->image = image;
    op->offset = sph_option_size(L, 2, "offset", 0);
    op->length = sph_option_size(L, 2, "length", INT64_MAX);
    op->include_parent = sph_option_boolean(L, 2, "include_parent", true);
    op->whole_object = sph_option_boolean(L, 2, "whole_object", true);
    op->from_snapshot = sph_option_copy(L, &op->op, 2, "from_snapshot");
    sph_op_progress_option(L, &op->op, 2);
    return sph_await(L, &op->op, &image->object);
}

static int push_bytes(lua_State *L, sph_op *op) {
    lua_pushinteger(L, (lua_Integer)((sph_allocated_op *)op)->bytes);
    return 1;
}

static const sph_op_type allocated_type = {
    .name = "rbd.allocated", .run = sph_extents_allocated, .push = push_bytes};

/*** image:allocated(options?) -> bytes | nil, err
 * How much of the image exists: the size of all objects that hold anything, as `rbd du` counts. It is an
 * upper bound, since an object with a few bytes in it counts in full, and it is before replication. Cheap
 * only where info().fast_diff is true: see image:extents. Cancelling stops it.
 * - include_parent: also what only a parent holds, which a copy has to read; default true; `rbd du` does not
 * - progress: function(done, total), in bytes of the image */
static int l_image_allocated(lua_State *L) {
    sph_image *image = sph_check_image(L, 1);
    lua_settop(L, 2);
    sph_options_check(L, 2, "include_parent", "progress", NULL);
    sph_allocated_op *op = sph_op_new(L, &allocated_type, sizeof *op);
    op->image = image;
    op->include_parent = sph_option_boolean(L, 2, "include_parent", true);
    sph_op_progress_option(L, &op->op, 2);
    return sph_await(L, &op->op, &image->object);
}

const luaL_Reg sph_image_extent_methods[] = {
    {"extents", l_image_extents}, {"allocated", l_image_allocated}, {NULL, NULL}};
