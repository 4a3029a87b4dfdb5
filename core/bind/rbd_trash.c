/* siphon.rbd: the trash of a pool.
 *
 * Thread: the loop thread. */
#include "bind/ceph.h"
#include "bind/options.h"

#include "ceph/trash.h"

static sph_trash_op *new_trash(lua_State *L, const sph_op_type *type, int args) {
    sph_pool *pool = sph_check_pool(L, 1);
    lua_settop(L, args);
    sph_trash_op *op = sph_op_new(L, type, sizeof *op);
    op->pool = pool;
    return op;
}

static int await(lua_State *L, sph_trash_op *op) {
    return sph_await(L, &op->op, &op->pool->object);
}

static int push_trash(lua_State *L, sph_op *op) {
    const sph_trash_op *self = (const sph_trash_op *)op;
    lua_createtable(L, (int)self->count, 0);
    for (size_t i = 0; i < self->count; i++) {
        const rbd_trash_image_info_t *info = &self->list[i];
        lua_createtable(L, 0, 5);
        sph_set_string(L, "id", info->id);
        sph_set_string(L, "name", info->name);
        sph_set_string(L, "source", sph_trash_source_name(info->source));
        sph_set_integer(L, "deleted", (uint64_t)info->deletion_time);
        sph_set_integer(L, "deferred_until", (uint64_t)info->deferment_end_time);
        lua_seti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static const sph_op_type list_type = {.name = "rbd.trash_list",
                                      .flags = SPH_OP_ABANDON,
                                      .run = sph_trash_list,
                                      .push = push_trash,
                                      .release = sph_trash_release};

/*** siphon.rbd.trash_list(pool) -> {{id=, name=, source=, deleted=, deferred_until=}, ...} | nil, err
 * What is in the trash. `name` is the former one; `source` says who put it there: "user", "mirroring",
 * "migration" or "user-parent"; the times are in seconds since the epoch. What a removal that was stopped
 * has left is not listed. */
static int l_rbd_trash_list(lua_State *L) {
    return await(L, new_trash(L, &list_type, 1));
}

static const sph_op_type move_type = {.name = "rbd.trash_move", .run = sph_trash_move};

/*** siphon.rbd.trash_move(pool, name, options?) -> true | nil, err
 * Puts an image into the trash; its id, data and snapshots stay.
 * - delay: seconds for which it can be removed by force only; default 0
 * Errors: ENOENT; EBUSY when a client holds its lock. */
static int l_rbd_trash_move(lua_State *L) {
    sph_options_check(L, 3, "delay", NULL);
    sph_trash_op *op = new_trash(L, &move_type, 3);
    op->name = sph_check_name(L, &op->op, 2);
    op->delay = sph_option_size(L, 3, "delay", 0);
    return await(L, op);
}

static const sph_op_type restore_type = {.name = "rbd.trash_restore", .run = sph_trash_restore};

/*** siphon.rbd.trash_restore(pool, id, options?) -> true | nil, err
 * Takes an image out of the trash.
 * - name: default: its former one
 * Errors: ENOENT when it is not there; EEXIST when the name is taken. */
static int l_rbd_trash_restore(lua_State *L) {
    sph_options_check(L, 3, "name", NULL);
    sph_trash_op *op = new_trash(L, &restore_type, 3);
    op->id = sph_check_name(L, &op->op, 2);
    op->name = sph_option_copy(L, &op->op, 3, "name");
    return await(L, op);
}

static const sph_op_type remove_type = {.name = "rbd.trash_remove", .run = sph_trash_remove};

/*** siphon.rbd.trash_remove(pool, id, options?) -> true | nil, err
 * Removes an image for good. Cancelling stops it; it can be repeated.
 * - force: also before its delay is over
 * - progress: function(done, total), in objects
 * Errors: EPERM before its delay is over; ENOTEMPTY when it has snapshots; EBUSY when it is open or has
 * clones. */
static int l_rbd_trash_remove(lua_State *L) {
    sph_options_check(L, 3, "force", "progress", NULL);
    sph_trash_op *op = new_trash(L, &remove_type, 3);
    op->id = sph_check_name(L, &op->op, 2);
    op->force = sph_option_boolean(L, 3, "force", false);
    sph_op_progress_option(L, &op->op, 3);
    return await(L, op);
}

const luaL_Reg sph_rbd_trash_functions[] = {{"trash_list", l_rbd_trash_list},
                                            {"trash_move", l_rbd_trash_move},
                                            {"trash_restore", l_rbd_trash_restore},
                                            {"trash_remove", l_rbd_trash_remove},
                                            {NULL, NULL}};
