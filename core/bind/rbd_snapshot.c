/* Image: its snapshots.
 *
 * Thread: the loop thread. */
#include "bind/ceph.h"
#include "bind/options.h"

#include "ceph/snapshot.h"

static sph_snapshot_op *new_nameless(lua_State *L, const sph_op_type *type, int args) {
    sph_image *image = sph_check_image(L, 1);
    lua_settop(L, args);
    sph_snapshot_op *op = sph_op_new(L, type, sizeof *op);
    op->image = image;
    return op;
}

static sph_snapshot_op *new_snapshot(lua_State *L, const sph_op_type *type, int args) {
    sph_snapshot_op *op = new_nameless(L, type, args);
    op->name = sph_check_name(L, &op->op, 2);
    return op;
}

static int await(lua_State *L, sph_snapshot_op *op) {
    return sph_await(L, &op->op, &op->image->object);
}

/* --- list ----------------------------------------------------------------------------------------------- */

static int push_list(lua_State *L, sph_op *op) {
    const sph_snapshot_list_op *self = (const sph_snapshot_list_op *)op;
    lua_createtable(L, (int)self->count, 0);
    for (size_t i = 0; i < self->count; i++) {
        const sph_snapshot_info *info = &self->list[i];
        lua_createtable(L, 0, 6);
        sph_set_integer(L, "id", info->id);
        sph_set_string(L, "name", info->name);
        sph_set_integer(L, "size", info->size);
        sph_set_integer(L, "created", (uint64_t)info->created);
        sph_set_boolean(L, "protected", info->is_protected);
        sph_set_string(L, "namespace", sph_snapshot_type_name(info->type));
        lua_seti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static const sph_op_type list_type = {.name = "rbd.snap_list",
                                      .flags = SPH_OP_ABANDON,
                                      .run = sph_snapshot_list,
                                      .push = push_list,
                                      .release = sph_snapshot_list_release};

/*** image:snapshots() -> {{id=, name=, size=, created=, protected=, namespace=}, ...} | nil, err
 * The snapshots that the image has now, oldest first. `namespace` is "user" for those that people make;
 * "group", "mirror", or "trash" for one that was removed and lives on for its clones. */
static int l_image_snapshots(lua_State *L) {
    sph_image *image = sph_check_image(L, 1);
    sph_snapshot_list_op *op = sph_op_new(L, &list_type, sizeof *op);
    op->image = image;
    return sph_await(L, &op->op, &image->object);
}

/* --- making and removing -------------------------------------------------------------------------------- */

static int push_id(lua_State *L, sph_op *op) {
    lua_pushinteger(L, (lua_Integer)((sph_snapshot_op *)op)->id);
    return 1;
}

static const sph_op_type create_type = {
    .name = "rbd.snap_create", .run = sph_snapshot_create, .push = push_id};

/*** image:snapshot_create(name, options?) -> id | nil, err
 * Makes a snapshot of the image, which must be open for writing, and gives its id. With the exclusive-lock
 * feature the writer is asked to make it and flushes first: crash-consistent, with all that was written. A
 * writer that does not answer loses its lock after 30 s and is blocklisted. Without the feature the snapshot
 * holds what was flushed last. It takes up to a second (the monitors hand out the id) and cannot be
 * cancelled.
 * - skip_quiesce: do not ask clients that have hooks for it (rbd-nbd --quiesce) to freeze their file systems
 * - ignore_quiesce_error: go on when one of them fails to
 * - progress: function(done, total)
 * Errors: EEXIST when the name is taken; EDQUOT at the image's snapshot limit; EROFS through a read-only
 * handle. */
static int l_image_snapshot_create(lua_State *L) {
    sph_options_check(L, 3, "skip_quiesce", "ignore_quiesce_error", "progress", NULL);
    sph_snapshot_op *op = new_snapshot(L, &create_type, 3);
    op->flags = sph_option_snapshot_flags(L, 3);
    sph_op_progress_option(L, &op->op, 3);
    return await(L, op);
}

static const sph_op_type remove_type = {.name = "rbd.snap_remove", .run = sph_snapshot_remove};

/*** image:snapshot_remove(name) -> true | nil, err
 * Removes a snapshot. EBUSY while it is protected. One with clones that need no protection (clone v2) moves
 * to the trash namespace and goes with its last clone. */
static int l_image_snapshot_remove(lua_State *L) {
    return await(L, new_snapshot(L, &remove_type, 2));
}

/*** image:snapshot_remove_by_id(id) -> true | nil, err
 * The same by its id, also of one in the trash namespace. librbd moves every snapshot there before it removes it, so a
 * client that dies over it leaves it there. */
static int l_image_snapshot_remove_by_id(lua_State *L) {
    lua_Integer id = luaL_checkinteger(L, 2);
    sph_snapshot_op *op = new_nameless(L, &remove_type, 2);
    op->id = (uint64_t)id;
    return await(L, op);
}

static const sph_op_type rename_type = {.name = "rbd.snap_rename", .run = sph_snapshot_rename};

/*** image:snapshot_rename(name, new_name) -> true | nil, err
 * Its id stays. EEXIST when the new name is taken. */
static int l_image_snapshot_rename(lua_State *L) {
    sph_snapshot_op *op = new_snapshot(L, &rename_type, 3);
    op->new_name = sph_check_name(L, &op->op, 3);
    return await(L, op);
}

static const sph_op_type rollback_type = {.name = "rbd.snap_rollback", .run = sph_snapshot_rollback};

/*** image:snapshot_rollback(name, options?) -> true | nil, err
 * Makes the image what it was at the snapshot, its size and its object map too: what was written since is lost. Nobody
 * else may have it open for writing. With an object map it takes as long as there are objects in either, else as the
 * image is large; it cannot be cancelled.
 * - progress: function(done, total)
 * Errors: ENOENT when there is no such snapshot; EROFS through a read-only handle, or when the lock is not to be had. */
static int l_image_snapshot_rollback(lua_State *L) {
    sph_options_check(L, 3, "progress", NULL);
    sph_snapshot_op *op = new_snapshot(L, &rollback_type, 3);
    sph_op_progress_option(L, &op->op, 3);
    return await(L, op);
}

/* --- protection ----------------------------------------------------------------------------------------- */

static const sph_op_type protect_type = {.name = "rbd.snap_protect", .run = sph_snapshot_protect};

/*** image:snapshot_protect(name) -> true | nil, err
 * Keeps a snapshot from being removed; cloning asks for it (but for clone v2). True also when it was
 * protected. */
static int l_image_snapshot_protect(lua_State *L) {
    return await(L, new_snapshot(L, &protect_type, 2));
}

static const sph_op_type unprotect_type = {.name = "rbd.snap_unprotect", .run = sph_snapshot_unprotect};

/*** image:snapshot_unprotect(name) -> true | nil, err
 * True also when it was not protected. EBUSY while it has clones. All pools are searched for those, so the
 * user must be able to read the list of clones in every pool where there are any. */
static int l_image_snapshot_unprotect(lua_State *L) {
    return await(L, new_snapshot(L, &unprotect_type, 2));
}

static int push_protected(lua_State *L, sph_op *op) {
    lua_pushboolean(L, ((sph_snapshot_op *)op)->is_protected);
    return 1;
}

static const sph_op_type is_protected_type = {.name = "rbd.snap_is_protected",
                                              .flags = SPH_OP_ABANDON,
                                              .run = sph_snapshot_is_protected,
                                              .push = push_protected};

/*** image:snapshot_is_protected(name) -> boolean | nil, err
 * As of now. ENOENT when there is no such snapshot. */
static int l_image_snapshot_is_protected(lua_State *L) {
    return await(L, new_snapshot(L, &is_protected_type, 2));
}

const luaL_Reg sph_image_snapshot_methods[] = {{"snapshots", l_image_snapshots},
                                               {"snapshot_create", l_image_snapshot_create},
                                               {"snapshot_remove", l_image_snapshot_remove},
                                               {"snapshot_remove_by_id", l_image_snapshot_remove_by_id},
                                               {"snapshot_rename", l_image_snapshot_rename},
                                               {"snapshot_rollback", l_image_snapshot_rollback},
                                               {"snapshot_protect", l_image_snapshot_protect},
                                               {"snapshot_unprotect", l_image_snapshot_unprotect},
                                               {"snapshot_is_protected", l_image_snapshot_is_protected},
                                               {NULL, NULL}};
