/* TemporarySnapshot: a snapshot that goes with its handle.
 *
 * Thread: the loop thread. */
#include "bind/ceph.h"
#include "bind/options.h"

#include "ceph/temporary_snapshot.h"

#include <string.h>

static sph_temporary_snapshot *check(lua_State *L, int idx) {
    return sph_object_check(L, idx, &sph_temporary_snapshot_type);
}

/*** TemporarySnapshot
 * - snapshot.name, snapshot.id: of the snapshot
 * - snapshot.image, snapshot.image_id: name and id of the image
 * - snapshot.pool: the Pool */
static int l_temporary_snapshot_index(lua_State *L) {
    const sph_temporary_snapshot *snapshot = check(L, 1);
    const char *key = lua_tostring(L, 2);
    if (!key)
        return 0;
    if (strcmp(key, "name") == 0)
        lua_pushstring(L, snapshot->name);
    else if (strcmp(key, "id") == 0)
        lua_pushinteger(L, (lua_Integer)snapshot->id);
    else if (strcmp(key, "image") == 0)
        lua_pushstring(L, snapshot->image);
    else if (strcmp(key, "image_id") == 0)
        lua_pushstring(L, snapshot->image_id);
    else if (strcmp(key, "pool") == 0)
        lua_getiuservalue(L, 1, 1);
    else
        return 0;
    return 1;
}

/* The pool's userdata is the user value of the one at index 1, whatever that is. */
static int push_with_pool(lua_State *L, sph_object *object) {
    lua_getiuservalue(L, 1, 1);
    sph_push_child(L, object, lua_gettop(L));
    return 1;
}

/* --- making --------------------------------------------------------------------------------------------- */

static int push_snapshot(lua_State *L, sph_op *op) {
    return push_with_pool(L, &((sph_temporary_snapshot_op *)op)->snapshot->object);
}

static const sph_op_type make_type = {.name = "rbd.snap_create",
                                      .run = sph_temporary_snapshot_make,
                                      .push = push_snapshot,
                                      .release = sph_temporary_snapshot_release};

/*** image:temporary_snapshot(options?) -> TemporarySnapshot | nil, err
 * Makes a snapshot that is removed again when its handle is closed, whichever way that happens: at the end of
 * its scope (<close>), when its task fails or is cancelled, by the collector, at the end of the program. A
 * kill -9 leaves it behind. The image may be open read-only, though the user must be allowed to write it; no
 * handle stays open for writing meanwhile. Up to a second to make, and another to remove.
 * - name: default: "siphon-" and 12 random hexadecimal digits
 * - protect: default true: nobody can remove it meanwhile
 * - skip_quiesce, ignore_quiesce_error, progress: as for image:snapshot_create
 * Errors: as for image:snapshot_create; EPERM when the user may not write the image. */
int l_image_temporary_snapshot(lua_State *L) {
    const sph_image *image = sph_check_image(L, 1);
    lua_settop(L, 2);
    sph_options_check(L, 2, "name", "protect", "skip_quiesce", "ignore_quiesce_error", "progress", NULL);
    sph_temporary_snapshot_op *op = sph_op_new(L, &make_type, sizeof *op);
    op->protect = sph_option_boolean(L, 2, "protect", true);
    op->flags = sph_option_snapshot_flags(L, 2);
    sph_op_progress_option(L, &op->op, 2);
    op->snapshot = sph_temporary_snapshot_new(image, sph_option_string(L, 2, "name", NULL));
    if (!op->snapshot)
        return luaL_error(L, "not enough memory");
    return sph_await(L, &op->op, image->object.parent);
}

/* --- using ---------------------------------------------------------------------------------------------- */

static int push_image(lua_State *L, sph_op *op) {
    return push_with_pool(L, &((sph_image_open_op *)op)->image->object);
}

static const sph_op_type open_type = {.name = "rbd.open",
                                      .flags = SPH_OP_ABANDON,
                                      .run = sph_image_open,
                                      .push = push_image,
                                      .release = sph_image_open_release};

/*** snapshot:open() -> Image | nil, err
 * The image, read-only, at the snapshot. Close it before the snapshot goes. */
static int l_temporary_snapshot_open(lua_State *L) {
    sph_temporary_snapshot *snapshot = check(L, 1);
    lua_settop(L, 1);
    sph_image_open_op *op = sph_op_new(L, &open_type, sizeof *op);
    lua_pushstring(L, snapshot->image_id);
    op->id = sph_op_string(L, &op->op, -1);
    op->snapshot_id = snapshot->id;
    op->has_snapshot_id = true;
    op->image = sph_image_new(sph_temporary_snapshot_pool(snapshot), true);
    if (!op->image)
        return luaL_error(L, "not enough memory");
    return sph_await(L, &op->op, &snapshot->object);
}

static const sph_op_type remove_type = {
    .name = "rbd.snap_remove", .flags = SPH_OP_SHIELDED, .run = sph_temporary_snapshot_remove};

/*** snapshot:remove() -> true | nil, err
 * Removes it now, and says what went wrong; closing only warns. It is found by its id: true when it is gone
 * already, and another snapshot of the same name is left alone. Runs to its end in a cancelled task too.
 * EBUSY when it has clones. */
static int l_temporary_snapshot_remove(lua_State *L) {
    sph_temporary_snapshot *snapshot = check(L, 1);
    lua_settop(L, 1);
    sph_temporary_snapshot_end_op *op = sph_op_new(L, &remove_type, sizeof *op);
    op->snapshot = snapshot;
    return sph_await(L, &op->op, &snapshot->object);
}

void sph_open_temporary_snapshot(lua_State *L) {
    static const luaL_Reg methods[] = {
        {"open", l_temporary_snapshot_open}, {"remove", l_temporary_snapshot_remove}, {NULL, NULL}};
    sph_object_register(L, &sph_temporary_snapshot_type, methods, l_temporary_snapshot_index);
}
