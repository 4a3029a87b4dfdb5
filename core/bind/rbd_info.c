/* Image: all that decides how it can be copied.
 *
 * Thread: the loop thread. */
#include "bind/ceph.h"

#include "ceph/image_info.h"
#include "ceph/snapshot.h"

/* --- users ---------------------------------------------------------------------------------------------- */

static void push_watchers(lua_State *L, const sph_watchers *watchers) {
    lua_createtable(L, (int)watchers->count, 0);
    for (size_t i = 0; i < watchers->count; i++) {
        const rbd_image_watcher_t *w = &watchers->list[i];
        lua_createtable(L, 0, 3);
        sph_set_string(L, "address", sph_address_plain(w->addr));
        lua_pushfstring(L, "client.%I", (LUAI_UACINT)w->id);
        lua_setfield(L, -2, "client");
        sph_set_integer(L, "cookie", w->cookie);
        lua_seti(L, -2, (lua_Integer)i + 1);
    }
}

static void push_owner(lua_State *L, const sph_lock_owner *owner) {
    if (!*owner->address) {
        lua_pushnil(L);
        return;
    }
    lua_createtable(L, 0, 4);
    sph_set_string(L, "address", owner->address);
    sph_set_string(L, "client", owner->client);
    sph_set_boolean(L, "exclusive", owner->exclusive);
    sph_set_boolean(L, "automatic", owner->automatic);
}

static sph_image_users_op *new_users(lua_State *L, const sph_op_type *type) {
    sph_image *image = sph_check_image(L, 1);
    sph_image_users_op *op = sph_op_new(L, type, sizeof *op);
    op->image = image;
    return op;
}

static int await(lua_State *L, sph_image_users_op *op) {
    return sph_await(L, &op->op, &op->image->object);
}

static int push_watchers_only(lua_State *L, sph_op *op) {
    push_watchers(L, &((sph_image_users_op *)op)->watchers);
    return 1;
}

static const sph_op_type watchers_type = {.name = "rbd.watchers",
                                          .flags = SPH_OP_ABANDON,
                                          .run = sph_image_watchers,
                                          .push = push_watchers_only,
                                          .release = sph_image_users_release};

/*** image:watchers() -> {{address=, client=, cookie=}, ...} | nil, err
 * Who has the image open for writing, this handle included if it is; one that died is listed for another 30 s
 * (osd_client_watch_timeout). Read-only handles do not show. */
static int l_image_watchers(lua_State *L) {
    return await(L, new_users(L, &watchers_type));
}

static int push_owner_only(lua_State *L, sph_op *op) {
    push_owner(L, &((sph_image_users_op *)op)->owner);
    return 1;
}

static const sph_op_type owner_type = {.name = "rbd.lock_owner",
                                       .flags = SPH_OP_ABANDON,
                                       .run = sph_image_lock_owner,
                                       .push = push_owner_only,
                                       .release = sph_image_users_release};

/*** image:lock_owner() -> {address=, client=, exclusive=, automatic=} | nil | nil, err
 * Who holds the image's lock; nil when nobody does. `automatic`: librbd took it for the exclusive-lock
 * feature; then the owner is who makes snapshots of the image on request. Otherwise a user did (rbd lock
 * add). */
static int l_image_lock_owner(lua_State *L) {
    return await(L, new_users(L, &owner_type));
}

/* --- info ----------------------------------------------------------------------------------------------- */

static void push_parent(lua_State *L, const sph_image_info_op *self) {
    lua_createtable(L, 0, 9);
    sph_set_string(L, "pool", self->parent.pool_name);
    sph_set_integer(L, "pool_id", (uint64_t)self->parent.pool_id);
    sph_set_string(L, "namespace", self->parent.pool_namespace);
    sph_set_string(L, "image", self->parent.image_name);
    sph_set_string(L, "image_id", self->parent.image_id);
    sph_set_string(L, "snapshot", self->parent_snapshot.name);
    sph_set_integer(L, "snapshot_id", self->parent_snapshot.id);
    sph_set_string(L, "snapshot_type", sph_snapshot_type_name(self->parent_snapshot.namespace_type));
    sph_set_integer(L, "overlap", self->overlap);
    sph_set_boolean(L, "trash", self->parent.trash);
}

static int push_info(lua_State *L, sph_op *op) {
    const sph_image_info_op *self = (const sph_image_info_op *)op;
    const sph_image *image = self->image;
    const uint64_t invalid = RBD_FLAG_OBJECT_MAP_INVALID | RBD_FLAG_FAST_DIFF_INVALID;
    lua_createtable(L, 0, 32);
    sph_set_string(L, "id", image->id);
    sph_set_string(L, "name", image->name);
    sph_set_string(L, "snapshot", image->snapshot);
    if (image->snapshot)
        sph_set_integer(L, "snapshot_id", image->snapshot_id);
    sph_set_integer(L, "size", self->size);
    sph_set_integer(L, "order", (uint64_t)self->order);
    sph_set_integer(L, "object_size", self->object_size);
    sph_set_integer(L, "objects", self->objects);
    sph_set_integer(L, "stripe_unit", self->stripe_unit);
    sph_set_integer(L, "stripe_count", self->stripe_count);
    sph_set_string(L, "block_name_prefix", self->block_name_prefix);
    sph_set_string(L, "data_pool", self->data_pool);
    sph_set_integer(L, "created", (uint64_t)self->created);
    sph_push_bits(L, sph_features, self->features);
    lua_setfield(L, -2, "features");
    sph_push_bits(L, sph_image_flags, self->flags);
    lua_setfield(L, -2, "flags");
    sph_set_boolean(L, "fast_diff", (self->features & RBD_FEATURE_FAST_DIFF) && !(self->flags & invalid));
    sph_set_boolean(L, "journaling", self->features & RBD_FEATURE_JOURNALING);
    sph_set_boolean(L, "migrating", self->features & RBD_FEATURE_MIGRATING);
    if (self->has_parent) {
        push_parent(L, self);
        lua_setfield(L, -2, "parent");
    }
    if (*self->group) {
        lua_createtable(L, 0, 2);
        sph_set_string(L, "name", self->group);
        sph_set_string(L, "pool", self->group_pool);
        lua_setfield(L, -2, "group");
    }
    sph_set_boolean(L, "readable", self->readable);
    lua_pushlstring(L, self->first_bytes, self->first_size);
    lua_setfield(L, -2, "first_bytes");
    sph_set_string(L, "encrypted", sph_encryption_of(self->first_bytes, self->first_size));
    push_watchers(L, &self->watchers);
    lua_setfield(L, -2, "watchers");
    push_owner(L, &self->owner);
    lua_setfield(L, -2, "lock_owner");
    return 1;
}

static const sph_op_type info_type = {.name = "rbd.info",
                                      .flags = SPH_OP_ABANDON,
                                      .run = sph_image_info,
                                      .push = push_info,
                                      .release = sph_image_info_release};

/*** image:info() -> table | nil, err
 * All that decides how the image can be copied, at the snapshot it is open at. A read-only handle sees what
 * is not marked "now" as it was when it was opened.
 * - id, name, snapshot, snapshot_id: what it is
 * - size, object_size, stripe_unit: in bytes; order, stripe_count; objects: how many there could be
 * - block_name_prefix: how the names of its data objects begin
 * - data_pool: name of the pool with the data; nil when that is the header's
 * - created: seconds since the epoch
 * - features, flags: lists of names, as `rbd info` writes them
 * - fast_diff: whether there is a valid object map, which makes extents and allocated cheap
 * - journaling, migrating: booleans, of the features of that name
 * - parent: nil, or {pool, pool_id, namespace, image, image_id, snapshot, snapshot_id, snapshot_type,
 *   overlap, trash}. `overlap` is how many bytes the parent still backs; `trash` means that the parent can be
 *   opened by its id only; a snapshot_type of "trash" that its snapshot was removed and lives on for its
 *   clones (since Ceph 14)
 * - group: nil, or {name, pool}
 * - readable: false when this user may not read the data, which can be in another pool
 * - first_bytes: the first 16, fewer in a tiny image, "" when not readable
 * - encrypted: "luks1", "luks2", or the same with "-layered" for a clone formatted on its own (since Ceph
 *   17); nil otherwise. librbd keeps no note of it: this is the magic at the start of the data
 * - watchers, lock_owner: now; see image:watchers and image:lock_owner */
static int l_image_info(lua_State *L) {
    sph_image *image = sph_check_image(L, 1);
    sph_image_info_op *op = sph_op_new(L, &info_type, sizeof *op);
    op->image = image;
    return sph_await(L, &op->op, &image->object);
}

const luaL_Reg sph_image_info_methods[] = {
    {"info", l_image_info}, {"watchers", l_image_watchers}, {"lock_owner", l_image_lock_owner}, {NULL, NULL}};
