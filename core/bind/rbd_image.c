/* Image: opening one, its fields, its data.
 *
 * Thread: the loop thread. */
#include "bind/ceph.h"
#include "bind/options.h"

#include <string.h>

/* --- opening -------------------------------------------------------------------------------------------- */

static int push_image(lua_State *L, sph_op *op) {
    sph_push_child(L, &((sph_image_open_op *)op)->image->object, 1);
    return 1;
}

static const sph_op_type open_type = {.name = "rbd.open",
                                      .flags = SPH_OP_ABANDON,
                                      .run = sph_image_open,
                                      .push = push_image,
                                      .release = sph_image_open_release};

/* A writable handle is a watcher on the image, in the way of whoever wants to remove it: a cancelled caller takes
 * it and closes it, rather than leave it to the collector. */
static const sph_op_type open_writable_type = {
    .name = "rbd.open", .run = sph_image_open, .push = push_image, .release = sph_image_open_release};

/*** siphon.rbd.open(pool, name | {id=}, options?) -> Image | nil, err
 * Opens an image, by name or by id (also one in the trash). What a handle is open at does not change; open
 * another one for another snapshot.
 * - read_only: default true. Such a handle leaves no trace on the image: no watcher, no lock. In turn it does
 *   not keep the image from being removed, and sees size, features and parent as they are now
 * - snapshot: name of the snapshot to open at; default: the head
 * - snapshot_id: the same by id, for any kind of snapshot
 * Errors: ENOENT when there is no such image or snapshot; EPERM when the user may not read (or, when
 * writable, write) the image's header. */
int l_rbd_open(lua_State *L) {
    sph_pool *pool = sph_check_pool(L, 1);
    lua_settop(L, 3);
    sph_options_check(L, 3, "read_only", "snapshot", "snapshot_id", NULL);
    bool read_only = sph_option_boolean(L, 3, "read_only", true);
    sph_image_open_op *op = sph_op_new(L, read_only ? &open_type : &open_writable_type, sizeof *op);
    if (lua_istable(L, 2)) {
        sph_options_check(L, 2, "id", NULL);
        op->id = sph_option_copy(L, &op->op, 2, "id");
        luaL_argcheck(L, op->id && *op->id, 2, "an image's name, or {id = its id}");
    } else {
        op->name = sph_check_name(L, &op->op, 2);
    }
    op->snapshot = sph_option_copy(L, &op->op, 3, "snapshot");
    op->has_snapshot_id = sph_option_push(L, 3, "snapshot_id") != LUA_TNIL;
    op->snapshot_id = sph_option_size(L, 3, "snapshot_id", 0);
    luaL_argcheck(L, !op->snapshot || !op->has_snapshot_id, 3, "give snapshot or snapshot_id, not both");
    op->image = sph_image_new(pool, read_only);
    if (!op->image)
        return luaL_error(L, "not enough memory");
    return sph_await(L, &op->op, &pool->object);
}

/*** Image
 * - image.name, image.id: as of the opening
 * - image.pool: the Pool
 * - image.snapshot: name of the snapshot it is open at; nil at the head
 * - image.snapshot_id: its id
 * - image.read_only: whether it was opened so */
static int l_image_index(lua_State *L) {
    const sph_image *image = sph_check_image(L, 1);
    const char *key = lua_tostring(L, 2);
    if (!key)
        return 0;
    if (strcmp(key, "name") == 0)
        lua_pushstring(L, image->name);
    else if (strcmp(key, "id") == 0)
        lua_pushstring(L, image->id);
    else if (strcmp(key, "snapshot") == 0)
        lua_pushstring(L, image->snapshot);
    else if (strcmp(key, "snapshot_id") == 0 && image->snapshot)
        lua_pushinteger(L, (lua_Integer)image->snapshot_id);
    else if (strcmp(key, "read_only") == 0)
        lua_pushboolean(L, image->read_only);
    else if (strcmp(key, "pool") == 0)
        lua_getiuservalue(L, 1, 1);
    else
        return 0;
    return 1;
}

/* --- data ----------------------------------------------------------------------------------------------- */

static int push_result(lua_State *L, sph_op *op) {
    lua_pushinteger(L, (lua_Integer)((sph_image_op *)op)->result);
    return 1;
}

static const sph_op_type size_type = {
    .name = "rbd.size", .flags = SPH_OP_ABANDON, .run = sph_image_size, .push = push_result};

/*** image:size() -> bytes | nil, err
 * The size of the image, or of the snapshot it is open at. */
static int l_image_size(lua_State *L) {
    return sph_image_op_await(L, sph_image_op_new(L, &size_type, 1));
}

static int push_bytes(lua_State *L, sph_op *op) {
    const sph_image_io_op *self = (const sph_image_io_op *)op;
    lua_pushlstring(L, self->buffer, self->length);
    return 1;
}

static sph_image_io_op *new_io(lua_State *L, const sph_op_type *type) {
    sph_image *image = sph_check_image(L, 1);
    uint64_t offset = sph_check_size(L, 2);
    lua_settop(L, 3);
    sph_image_io_op *op = sph_op_new(L, type, sizeof *op);
    op->image = image;
    op->offset = offset;
    return op;
}

static int await(lua_State *L, sph_image_io_op *op) {
    return sph_await(L, &op->op, &op->image->object);
}

static const sph_op_type read_type = {.name = "rbd.read",
                                      .flags = SPH_OP_ABANDON,
                                      .run = sph_image_read,
                                      .push = push_bytes,
                                      .release = sph_image_read_release};

/*** image:read(offset, length) -> string | nil, err
 * Bytes of the image; fewer, or none, where it ends. For much data see image:copy_data and siphon.http. */
static int l_image_read(lua_State *L) {
    uint64_t length = sph_check_size(L, 3);
    luaL_argcheck(L, length <= INT32_MAX, 3, "less than 2 GiB at once");
    sph_image_io_op *op = new_io(L, &read_type);
    op->length = length;
    return await(L, op);
}

static const sph_op_type write_type = {.name = "rbd.write", .run = sph_image_write};

/*** image:write(offset, data) -> true | nil, err
 * Writes at an offset. EINVAL when that ends beyond the image, EROFS when the handle is read-only. */
static int l_image_write(lua_State *L) {
    luaL_checktype(L, 3, LUA_TSTRING);
    sph_image_io_op *op = new_io(L, &write_type);
    op->data = sph_op_data(L, &op->op, 3, &op->length);
    return await(L, op);
}

static const sph_op_type discard_type = {.name = "rbd.discard", .run = sph_image_discard};

/*** image:discard(offset, length) -> true | nil, err
 * Makes a range read as zeroes and gives back its space where it can; parts smaller than
 * rbd_discard_granularity_bytes (64 KiB) are left as they are. */
static int l_image_discard(lua_State *L) {
    uint64_t offset = sph_check_size(L, 2), length = sph_check_size(L, 3);
    sph_image_op *op = sph_image_op_new(L, &discard_type, 3);
    op->offset = offset;
    op->length = length;
    return sph_image_op_await(L, op);
}

static const sph_op_type flush_type = {.name = "rbd.flush", .run = sph_image_flush};

/*** image:flush() -> true | nil, err
 * What was written is on disk when this returns. */
static int l_image_flush(lua_State *L) {
    return sph_image_op_await(L, sph_image_op_new(L, &flush_type, 1));
}

void sph_open_image(lua_State *L) {
    static const luaL_Reg methods[] = {{"size", l_image_size},
                                       {"read", l_image_read},
                                       {"write", l_image_write},
                                       {"discard", l_image_discard},
                                       {"flush", l_image_flush},
                                       {"temporary_snapshot", l_image_temporary_snapshot},
                                       {NULL, NULL}};
    static const luaL_Reg *const groups[] = {methods,
                                             sph_image_info_methods,
                                             sph_image_snapshot_methods,
                                             sph_image_change_methods,
                                             sph_image_copy_methods,
                                             sph_image_osd_methods,
                                             sph_image_extent_methods,
                                             sph_image_metadata_methods,
                                             NULL};
    sph_register_class(L, &sph_image_type, groups, l_image_index);
}
