/* Image: copies that the OSDs make.
 *
 * Thread: the loop thread. */
#include "bind/ceph.h"
#include "bind/options.h"

#include "ceph/osd_copy.h"

#include <string.h>

/* --- the target ----------------------------------------------------------------------------------------- */

static int push_id(lua_State *L, sph_op *op) {
    lua_pushstring(L, ((const sph_osd_create_op *)op)->id);
    return 1;
}

static const sph_op_type create_type = {.name = "rbd.osd_create", .run = sph_osd_create, .push = push_id};

/*** image:osd_create(pool, name, options?) -> id | nil, err
 * Makes image `name` in `pool` as the target of osd_copy: with size, object size and striping of the snapshot
 * that this image is open at. Its object map is marked invalid until the copy is complete.
 * - features, data_pool: as for siphon.rbd.create; not journaling, which the OSDs would pass by
 * Errors: EEXIST when the name is taken; EOPNOTSUPP when this image cannot be copied so: it is being
 * migrated, or a client caches writes to it. */
static int l_image_osd_create(lua_State *L) {
    sph_image *source = sph_check_image(L, 1);
    sph_pool *pool = sph_check_pool(L, 2);
    lua_settop(L, 4);
    sph_options_check(L, 4, "features", "data_pool", NULL);
    sph_osd_create_op *op = sph_op_new(L, &create_type, sizeof *op);
    op->source = source;
    op->pool = pool;
    op->name = sph_check_name(L, &op->op, 3);
    op->options.features = sph_option_features(L, 4, "features", &op->options.has_features);
    op->options.data_pool = sph_option_copy(L, &op->op, 4, "data_pool");
    sph_op_use(&op->op, &source->object);
    sph_op_use(&op->op, &pool->object);
    return sph_op_await(L, &op->op);
}

/* --- copy and verify ------------------------------------------------------------------------------------ */

/* The target at index 3: a name, or {id=}. */
static void read_target(lua_State *L, sph_osd_copy_op *op) {
    if (lua_type(L, 3) == LUA_TSTRING) {
        op->name = sph_check_name(L, &op->op, 3);
        return;
    }
    sph_options_check(L, 3, "id", NULL);
    op->id = sph_option_copy(L, &op->op, 3, "id");
    luaL_argcheck(L, op->id, 3, "a name, or { id = }");
}

static double read_share(lua_State *L, const char *key, double otherwise) {
    double share = sph_option_number(L, 4, key, otherwise);
    if (!(share >= 0 && share <= 1))
        luaL_error(L, "option '%s' must be a share from 0 to 1", key);
    return share;
}

static sph_osd_verify_how read_verify(lua_State *L, const char *key, const char *otherwise) {
    static const char *const names[] = {"none", "checksum", "read", NULL};
    const char *name = sph_option_string(L, 4, key, otherwise);
    for (int i = 0; names[i]; i++)
        if (strcmp(name, names[i]) == 0)
            return (sph_osd_verify_how)i;
    luaL_error(L, "option '%s' must be none, checksum or read", key);
    return SPH_VERIFY_NONE;
}

static sph_osd_copy_op *new_copy(lua_State *L, const sph_op_type *type) {
    sph_image *source = sph_check_image(L, 1);
    sph_pool *pool = sph_check_pool(L, 2);
    uint64_t in_flight = sph_option_size(L, 4, "max_in_flight", 32);
    luaL_argcheck(L, in_flight >= 1 && in_flight <= SPH_OSD_IN_FLIGHT, 4,
                  "option 'max_in_flight' must be from 1 to 64");
    sph_osd_copy_op *op = sph_op_new(L, type, sizeof *op);
    op->source = source;
    op->pool = pool;
    read_target(L, op);
    op->max_in_flight = (unsigned)in_flight;
    op->fixed = !sph_option_boolean(L, 4, "adaptive", true);
    op->max_rate = sph_option_size(L, 4, "max_rate", 0);
    op->patience = sph_option_number(L, 4, "patience", 300);
    sph_op_progress_option(L, &op->op, 4);
    sph_op_use(&op->op, &source->object);
    sph_op_use(&op->op, &pool->object);
    return op;
}

static void set_count(lua_State *L, const char *key, const atomic_uint_least64_t *count) {
    sph_set_integer(L, key, atomic_load(count));
}

static int push_copied(lua_State *L, sph_op *op) {
    const sph_osd_copy_op *self = (const sph_osd_copy_op *)op;
    const sph_osd_tally *tally = &self->tally;
    lua_createtable(L, 0, 17);
    sph_set_integer(L, "objects", self->objects);
    set_count(L, "whole", &tally->ways[SPH_WAY_WHOLE]);
    set_count(L, "punched", &tally->ways[SPH_WAY_PUNCHED]);
    set_count(L, "squeezed", &tally->ways[SPH_WAY_SQUEEZED]);
    set_count(L, "thin", &tally->ways[SPH_WAY_THIN]);
    set_count(L, "librbd", &tally->ways[SPH_WAY_LIBRBD]);
    set_count(L, "empty", &tally->ways[SPH_WAY_NONE]);
    set_count(L, "copied", &tally->copied);
    set_count(L, "through_host", &tally->through_host);
    set_count(L, "verified", &tally->verified);
    set_count(L, "verify_through_host", &tally->verify_through_host);
    set_count(L, "retries", &tally->retries);
    sph_set_integer(L, "resumed_at", self->resumed_at);
    sph_set_integer(L, "levels", self->levels);
    sph_set_integer(L, "widest", self->widest);
    lua_pushnumber(L, self->paused);
    lua_setfield(L, -2, "paused");
    lua_pushnumber(L, self->seconds);
    lua_setfield(L, -2, "seconds");
    return 1;
}

static const sph_op_type copy_type = {.name = "rbd.osd_copy", .run = sph_osd_copy, .push = push_copied};

/*** image:osd_copy(pool, target, options?) -> result | nil, err
 * Has the OSDs copy the data of the protected snapshot that this image is open at into `target`, a name or
 * { id = } of an image in `pool` that osd_create made for this snapshot; then clears that image for use. The
 * data do not pass through this host, but for nearly empty objects, and for those that a clone shares with a
 * parent of another layout or that the overlap cuts. If it is cancelled or fails, the target stays as it is,
 * and the same call goes on where it was.
 * - verify: "checksum" (default) compares each object by checksums that the OSDs compute; "read" reads both
 *   sides through this host; "none"
 * - max_in_flight: objects at once, 1 to 64; default 32. As many as the cluster bears, see docs/osd-copy.md;
 *   adaptive = false: always so many
 * - max_rate: bytes a second; default 0, no limit
 * - dense: share of an object's length from which its holes may become zeroes; default 0.95
 * - sparse: share of an object's size below which this host copies its extents; default 0.125
 * - through_host = false: nothing passes through this host; EOPNOTSUPP where there is no other way
 * - patience: seconds to wait while an OSD is down, or full; default 300
 * - progress: function(done, total) in bytes of objects that exist, as far as they are listed
 * result: objects (that the target has), of them whole, punched, squeezed, thin, librbd (see
 * docs/osd-copy.md), empty (looked at in vain); copied, through_host, verify_through_host (bytes); verified (objects), retries,
 * resumed_at (object), levels (this image and its parents), widest (objects at once), paused, seconds.
 * Errors: source.unprotected; source.changed: the snapshot went away; source.map: the object map names an
 * object that is not there; verify.differs; EEXIST: the target is no unfinished copy; ESTALE: it is one of
 * another snapshot; EDQUOT, ENOSPC, EPERM. */
static int l_image_osd_copy(lua_State *L) {
    lua_settop(L, 4);
    sph_options_check(L, 4, "verify", "max_in_flight", "adaptive", "max_rate", "dense", "sparse",
                      "through_host", "patience", "progress", NULL);
    double dense = read_share(L, "dense", 0.95), sparse = read_share(L, "sparse", 0.125);
    sph_osd_verify_how verify = read_verify(L, "verify", "checksum");
    bool through_host = sph_option_boolean(L, 4, "through_host", true);
    sph_osd_copy_op *op = new_copy(L, &copy_type);
    op->dense = dense;
    op->sparse = sparse;
    op->verify = verify;
    op->through_host = through_host;
    return sph_op_await(L, &op->op);
}

static int push_verified(lua_State *L, sph_op *op) {
    const sph_osd_copy_op *self = (const sph_osd_copy_op *)op;
    lua_createtable(L, 0, 3);
    set_count(L, "verified", &self->tally.verified);
    set_count(L, "through_host", &self->tally.verify_through_host);
    lua_pushnumber(L, self->seconds);
    lua_setfield(L, -2, "seconds");
    return 1;
}

static const sph_op_type verify_type = {
    .name = "rbd.osd_verify", .run = sph_osd_verify, .push = push_verified};

/*** image:osd_verify(pool, target, options?) -> {verified=, through_host=, seconds=} | nil, err
 * Compares the protected snapshot that this image is open at with `target`, a name or { id = } of an image in
 * `pool` of the same layout: every object that exists in the source, object by object, by checksums that the
 * OSDs compute (method = "checksum") or by reading both (method = "read"). What the target has where the
 * source has nothing is not looked at.
 * - max_in_flight, adaptive, max_rate, patience, progress: as for osd_copy
 * Errors: verify.differs; source.changed. */
static int l_image_osd_verify(lua_State *L) {
    lua_settop(L, 4);
    sph_options_check(L, 4, "method", "max_in_flight", "adaptive", "max_rate", "patience", "progress", NULL);
    sph_osd_verify_how method = read_verify(L, "method", "checksum");
    luaL_argcheck(L, method != SPH_VERIFY_NONE, 4, "option 'method' must be checksum or read");
    sph_osd_copy_op *op = new_copy(L, &verify_type);
    op->verify = method;
    op->through_host = true;
    op->dense = 1;
    return sph_op_await(L, &op->op);
}

const luaL_Reg sph_image_osd_methods[] = {{"osd_create", l_image_osd_create},
                                          {"osd_copy", l_image_osd_copy},
                                          {"osd_verify", l_image_osd_verify},
                                          {NULL, NULL}};
