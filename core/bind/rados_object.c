/* Pool: RADOS objects, by name.
 *
 * Thread: the loop thread. */
#include "bind/ceph.h"
#include "bind/options.h"

#include "ceph/rados_object.h"

static sph_object_io_op *new_io(lua_State *L, const sph_op_type *type, int args) {
    sph_pool *pool = sph_check_pool(L, 1);
    lua_settop(L, args);
    sph_object_io_op *op = sph_op_new(L, type, sizeof *op);
    op->pool = pool;
    op->name = sph_check_name(L, &op->op, 2);
    return op;
}

static int await(lua_State *L, sph_object_io_op *op) {
    return sph_await(L, &op->op, &op->pool->object);
}

/* --- data ----------------------------------------------------------------------------------------------- */

static int push_stat(lua_State *L, sph_op *op) {
    const sph_object_io_op *self = (const sph_object_io_op *)op;
    lua_createtable(L, 0, 2);
    sph_set_integer(L, "size", self->size);
    sph_set_integer(L, "mtime", (uint64_t)self->mtime);
    return 1;
}

static const sph_op_type stat_type = {
    .name = "rados.object_stat", .flags = SPH_OP_ABANDON, .run = sph_object_stat, .push = push_stat};

/*** pool:object_stat(name) -> {size=, mtime=} | nil, err
 * Size in bytes and time of the last change, in seconds since the epoch. ENOENT when there is no such
 * object. */
static int l_pool_object_stat(lua_State *L) {
    return await(L, new_io(L, &stat_type, 2));
}

static int push_bytes(lua_State *L, sph_op *op) {
    const sph_object_io_op *self = (const sph_object_io_op *)op;
    lua_pushlstring(L, self->buffer, self->length);
    return 1;
}

static const sph_op_type read_type = {.name = "rados.read",
                                      .flags = SPH_OP_ABANDON,
                                      .run = sph_object_read,
                                      .push = push_bytes,
                                      .release = sph_object_read_release};

/*** pool:read(name, options?) -> string | nil, err
 * The object's bytes from `offset` (default 0), at most `length` of them (default: to the end). Shorter, or
 * empty, where the object ends. */
static int l_pool_read(lua_State *L) {
    sph_options_check(L, 3, "offset", "length", NULL);
    sph_object_io_op *op = new_io(L, &read_type, 3);
    op->offset = sph_option_size(L, 3, "offset", 0);
    op->to_end = sph_option_push(L, 3, "length") == LUA_TNIL;
    op->length = sph_option_size(L, 3, "length", 0);
    luaL_argcheck(L, op->length <= INT32_MAX, 3, "length must be less than 2 GiB");
    return await(L, op);
}

static const sph_op_type write_type = {.name = "rados.write", .run = sph_object_write};

/*** pool:write(name, data, options?) -> true | nil, err
 * Replaces the whole object. One operation, atomic; OSDs take at most osd_max_write_size (90 MiB).
 * - offset: writes there instead, and keeps the rest
 * - create: "exclusive": the object must be new
 * Errors: EEXIST when it must be new and is not; EDQUOT or ENOSPC when there is no room. */
static int l_pool_write(lua_State *L) {
    luaL_checktype(L, 3, LUA_TSTRING);
    sph_options_check(L, 4, "offset", "create", NULL);
    static const char *const how[] = {"always", "exclusive", NULL};
    sph_object_io_op *op = new_io(L, &write_type, 4);
    size_t length;
    op->data = sph_op_data(L, &op->op, 3, &length);
    op->length = length;
    op->at_offset = sph_option_push(L, 4, "offset") != LUA_TNIL;
    op->offset = sph_option_size(L, 4, "offset", 0);
    op->exclusive = sph_option_choice(L, 4, "create", how) == 1;
    return await(L, op);
}

static const sph_op_type remove_type = {.name = "rados.remove", .run = sph_object_remove};

/*** pool:remove(name) -> true | nil, err
 * ENOENT when there is no such object. */
static int l_pool_remove(lua_State *L) {
    return await(L, new_io(L, &remove_type, 2));
}

/* --- checksums ------------------------------------------------------------------------------------------ */

static int push_values(lua_State *L, sph_op *op) {
    const sph_checksum_op *self = (const sph_checksum_op *)op;
    lua_createtable(L, (int)self->count, 0);
    for (size_t i = 0; i < self->count; i++) {
        lua_pushinteger(L, (lua_Integer)self->values[i]);
        lua_seti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static const sph_op_type checksum_type = {.name = "rados.checksum",
                                          .flags = SPH_OP_ABANDON,
                                          .run = sph_object_checksum,
                                          .push = push_values,
                                          .release = sph_object_checksum_release};

/*** pool:checksum(name, options?) -> {integer, ...} | nil, err
 * Checksums that the OSD computes, so that no data crosses the network. They are of the bytes as they are
 * stored: an object and the same one with zeroes after it differ. The OSD reads its primary copy and does not
 * look at replicas. The values are integers; a 64-bit one may be negative.
 * - type: "crc32c" (default), "xxhash32" or "xxhash64", all seeded with ones
 * - offset, length: the range; default: the whole object
 * - chunk: one value for each so many bytes, the last may be of fewer; default 0: one value for all
 * Errors: ENOENT when there is no such object. */
static int l_pool_checksum(lua_State *L) {
    static const char *const names[] = {"crc32c", "xxhash32", "xxhash64", NULL};
    static const rados_checksum_type_t types[] = {
        LIBRADOS_CHECKSUM_TYPE_CRC32C, LIBRADOS_CHECKSUM_TYPE_XXHASH32, LIBRADOS_CHECKSUM_TYPE_XXHASH64};
    sph_pool *pool = sph_check_pool(L, 1);
    lua_settop(L, 3);
    sph_options_check(L, 3, "type", "offset", "length", "chunk", NULL);
    int type = sph_option_choice(L, 3, "type", names);
    sph_checksum_op *op = sph_op_new(L, &checksum_type, sizeof *op);
    op->pool = pool;
    op->name = sph_check_name(L, &op->op, 2);
    op->type = types[type];
    op->offset = sph_option_size(L, 3, "offset", 0);
    op->length = sph_option_size(L, 3, "length", 0);
    op->chunk = sph_option_size(L, 3, "chunk", 0);
    return sph_await(L, &op->op, &pool->object);
}

const luaL_Reg sph_pool_object_methods[] = {
    {"object_stat", l_pool_object_stat}, {"read", l_pool_read},         {"write", l_pool_write},
    {"remove", l_pool_remove},           {"checksum", l_pool_checksum}, {NULL, NULL}};
