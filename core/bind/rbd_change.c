/* Image: what changes it as a whole.
 *
 * All of these take `progress`, function(done, total). Cancelling one stops it soon and leaves the image
 * usable.
 *
 * Thread: the loop thread. */
#include "bind/ceph.h"
#include "bind/options.h"

#include "ceph/image_change.h"

/* An operation whose only options at idx are `progress` and, when not NULL, `name`. */
static sph_image_op *new_change(lua_State *L, const sph_op_type *type, int idx, const char *name) {
    sph_options_check(L, idx, "progress", name, NULL);
    sph_image_op *op = sph_image_op_new(L, type, idx);
    sph_op_progress_option(L, &op->op, idx);
    return op;
}

static const sph_op_type flatten_type = {.name = "rbd.flatten", .run = sph_image_flatten};

/*** image:flatten(options?) -> true | nil, err
 * Copies into a clone what its parent still backs, through this host, and parts it from the parent.
 * Cancelled: the parent stays, and what was copied stays too.
 * - progress: function(done, total), in objects
 * Errors: EINVAL when it has no parent; EROFS when the handle is read-only. */
static int l_image_flatten(lua_State *L) {
    return sph_image_op_await(L, new_change(L, &flatten_type, 2, NULL));
}

static const sph_op_type sparsify_type = {.name = "rbd.sparsify", .run = sph_image_sparsify};

/*** image:sparsify(options?) -> true | nil, err
 * Gives back the space of zeroes: the OSDs look for runs of them in each object; no data passes through this
 * host.
 * - sparse_size: how long a run must be, in bytes: a power of two from 4096 (default) up to the object size
 * - progress: function(done, total), in objects
 * Errors: EINVAL for another sparse_size; EROFS when the handle is read-only. */
static int l_image_sparsify(lua_State *L) {
    sph_image_op *op = new_change(L, &sparsify_type, 2, "sparse_size");
    op->length = sph_option_size(L, 2, "sparse_size", 4096);
    return sph_image_op_await(L, op);
}

static const sph_op_type rebuild_type = {.name = "rbd.rebuild_object_map",
                                         .run = sph_image_rebuild_object_map};

/*** image:rebuild_object_map(options?) -> true | nil, err
 * Looks at every object that could exist, and makes the object map of what the handle is open at valid. Ten
 * at a time, unless the connection's options set rbd_concurrent_management_ops.
 * - progress: function(done, total), in objects
 * Errors: EINVAL when the image has no object map. */
static int l_image_rebuild_object_map(lua_State *L) {
    return sph_image_op_await(L, new_change(L, &rebuild_type, 2, NULL));
}

static const sph_op_type resize_type = {.name = "rbd.resize", .run = sph_image_resize};

/*** image:resize(size, options?) -> true | nil, err
 * Makes the image larger, or smaller when that is allowed, to `size` bytes; what is cut off is lost.
 * Cancelled while it shrinks: the size is the old one, and some of the tail is gone.
 * - allow_shrink: default false
 * - progress: function(done, total), in objects that go
 * Errors: EINVAL when it would shrink and may not; EROFS when the handle is read-only. */
static int l_image_resize(lua_State *L) {
    uint64_t size = sph_check_size(L, 2);
    sph_image_op *op = new_change(L, &resize_type, 3, "allow_shrink");
    op->length = size;
    op->flag = sph_option_boolean(L, 3, "allow_shrink", false);
    return sph_image_op_await(L, op);
}

static const sph_op_type features_type = {.name = "rbd.update_features", .run = sph_image_update_features};

/*** image:update_features(options) -> true | nil, err
 * Turns features off, then on. An object map that is turned on is marked invalid until
 * image:rebuild_object_map. It cannot be cancelled.
 * - enable, disable: lists of names
 * Errors: EINVAL for what needs other features or cannot be changed later; EROFS when the handle is
 * read-only. */
static int l_image_update_features(lua_State *L) {
    luaL_checktype(L, 2, LUA_TTABLE);
    sph_options_check(L, 2, "enable", "disable", NULL);
    bool given;
    uint64_t on = sph_option_features(L, 2, "enable", &given),
             off = sph_option_features(L, 2, "disable", &given);
    luaL_argcheck(L, !(on & off), 2, "a feature cannot be turned on and off at once");
    sph_image_op *op = sph_image_op_new(L, &features_type, 2);
    op->offset = on;
    op->length = off;
    return sph_image_op_await(L, op);
}

const luaL_Reg sph_image_change_methods[] = {{"flatten", l_image_flatten},
                                             {"sparsify", l_image_sparsify},
                                             {"rebuild_object_map", l_image_rebuild_object_map},
                                             {"resize", l_image_resize},
                                             {"update_features", l_image_update_features},
                                             {NULL, NULL}};
