/* Image: clones and copies of it.
 *
 * Thread: the loop thread. */
#include "bind/ceph.h"
#include "bind/digest.h"
#include "bind/options.h"

#include "ceph/copy_data.h"
#include "ceph/image_make.h"

#include <string.h>

/* An operation from the image at index 1 to image `name` (index `at` + 1) of the pool at index `at`, with the
 * options of a new image after that. */
static sph_image_make_op *new_make(lua_State *L, const sph_op_type *type, int at) {
    sph_image *source = sph_check_image(L, 1);
    sph_pool *pool = sph_check_pool(L, at);
    lua_settop(L, at + 2);
    sph_image_make_op *op = sph_op_new(L, type, sizeof *op);
    op->source = source;
    op->pool = pool;
    op->name = sph_check_name(L, &op->op, at + 1);
    sph_option_image(L, &op->op, at + 2, &op->options);
    sph_op_progress_option(L, &op->op, at + 2);
    return op;
}

static int await(lua_State *L, sph_image_make_op *op) {
    sph_op_use(&op->op, &op->source->object);
    return sph_await(L, &op->op, &op->pool->object);
}

static const sph_op_type clone_type = {.name = "rbd.clone", .run = sph_image_clone};

/*** image:clone(snapshot, pool, name, options?) -> true | nil, err
 * Makes image `name` in `pool` (of the same cluster), backed by the image's snapshot of that name.
 * - features, order, data_pool, stripe_unit, stripe_count: as for siphon.rbd.create
 * - format: 1: the snapshot must be protected, and in the same namespace; 2: neither, but clients must be of
 *   Ceph 13 or later (require-min-compat-client mimic). Default: rbd_default_clone_format, which takes 2
 *   where it can
 * Errors: ENOENT when there is no such snapshot; EEXIST when the name is taken; EINVAL when the snapshot
 * is not protected; EXDEV when format 1 would cross namespaces. */
static int l_image_clone(lua_State *L) {
    sph_options_check(L, 5, SPH_IMAGE_OPTION_NAMES, "format", NULL);
    sph_image_make_op *op = new_make(L, &clone_type, 3);
    op->snapshot = sph_check_name(L, &op->op, 2);
    op->options.clone_format = (int)sph_option_size(L, 5, "format", 0);
    luaL_argcheck(L, op->options.clone_format <= 2, 5, "option 'format' must be 1 or 2");
    return await(L, op);
}

static const sph_op_type copy_type = {.name = "rbd.copy", .run = sph_image_copy};

/*** image:copy(pool, name, options?) -> true | nil, err
 * rbd_copy: makes image `name` in `pool`, perhaps of another cluster, and copies the data of what this one is
 * open at through this host. The copy has no parent. Image-meta is copied along. It CANNOT be cancelled:
 * librbd ignores the wish, and a cancelled task leaves this call when the copy has ended. image:copy_data
 * can.
 * - features, order, data_pool, stripe_unit, stripe_count: as for siphon.rbd.create; default: as the source's
 * - sparse_size: runs of zeroes at least that long are left out; default 4096
 * - progress: function(done, total), in bytes
 * Errors: EEXIST when the name is taken. On failure a part of the target stays. */
static int l_image_copy(lua_State *L) {
    sph_options_check(L, 4, SPH_IMAGE_OPTION_NAMES, "sparse_size", "progress", NULL);
    sph_image_make_op *op = new_make(L, &copy_type, 2);
    op->sparse_size = sph_option_size(L, 4, "sparse_size", 4096);
    return await(L, op);
}

static const sph_op_type deep_copy_type = {.name = "rbd.deep_copy", .run = sph_image_deep_copy};

/*** image:deep_copy(pool, name, options?) -> true | nil, err
 * rbd_deep_copy: the same, with all snapshots up to the one that this image is open at, their protection
 * included; a clone stays one. It CANNOT be cancelled: librbd ignores the wish, and a cancelled task leaves
 * this call when the copy has ended.
 * - features, order, data_pool, stripe_unit, stripe_count: as for siphon.rbd.create; default: as the source's
 * - flatten: the copy has no parent
 * - progress: function(done, total), in objects
 * Errors: EEXIST when the name is taken. On failure a part of the target stays. */
static int l_image_deep_copy(lua_State *L) {
    sph_options_check(L, 4, SPH_IMAGE_OPTION_NAMES, "flatten", "progress", NULL);
    sph_image_make_op *op = new_make(L, &deep_copy_type, 2);
    op->options.flatten = sph_option_boolean(L, 4, "flatten", false);
    return await(L, op);
}

/* --- data ----------------------------------------------------------------------------------------------- */

static int push_counts(lua_State *L, sph_op *op) {
    const sph_copy_data_op *self = (const sph_copy_data_op *)op;
    lua_createtable(L, 0, 5);
    sph_set_integer(L, "size", self->size);
    sph_set_integer(L, "read", self->read);
    sph_set_integer(L, "written", self->written);
    sph_set_integer(L, "zeroes_skipped", self->zeroes);
    if (self->digest) {
        sph_digest_push(L, self->digest);
        lua_setfield(L, -2, "digest");
    }
    return 1;
}

static const sph_op_type data_type = {
    .name = "rbd.copy_data", .run = sph_copy_data, .push = push_counts, .release = sph_copy_data_release};

/* The options of pieces, rate and progress at idx, which copying and hashing have in common. */
static sph_copy_data_op *new_reading(lua_State *L, const sph_op_type *type, sph_image *source, int idx) {
    uint64_t in_flight = sph_option_size(L, idx, "max_in_flight", 16);
    luaL_argcheck(L, in_flight >= 1 && in_flight <= 256, idx, "option 'max_in_flight' must be from 1 to 256");
    sph_copy_data_op *op = sph_op_new(L, type, sizeof *op);
    op->source = source;
    op->max_in_flight = (unsigned)in_flight;
    op->max_rate = sph_option_size(L, idx, "max_rate", 0);
    sph_op_progress_option(L, &op->op, idx);
    return op;
}

/*** image:copy_data(target, options?) -> {size=, read=, written=, zeroes_skipped=} | nil, err
 * Copies the data of what this image is open at (best: a snapshot) into `target`, an image that is open for
 * writing, at least as large, and new: what is zero here is not written there. It reads what exists, parents
 * included, in pieces of at most 4 MiB. The target may be in another cluster, and of another layout.
 * Afterwards it is, bit for bit, what `rbd export` of the source gives, and flushed. The results are bytes:
 * `size` of the image, `read` from the source, `written` to the target, `zeroes_skipped`. Cancelling stops it
 * as soon as what is in flight has ended.
 * - max_in_flight: pieces at once, 1 to 256; default 16. The memory needed is so many times 4 MiB
 * - sparse_size: runs of zeroes that fill aligned blocks of so many bytes are left out; a power of two up to
 *   4 MiB, 0 for none; default 4096
 * - max_rate: bytes read per second at most; default 0: no limit
 * - digest: "sha256" or "sha512": hashes what is read, and the result has `digest` = {algorithm=, value=, checksum=}:
 *   that hash and the MD5 of the whole, holes as zeroes, in hexadecimal
 * - progress: function(done, total), in bytes of what exists; with a digest, of the whole
 * Errors: EFBIG when the target is too small; EROFS when it is not writable; ESTALE when the source shrank
 * meanwhile; EDQUOT or ENOSPC when there is no room. */
static int l_image_copy_data(lua_State *L) {
    sph_image *source = sph_check_image(L, 1), *target = sph_check_image(L, 2);
    lua_settop(L, 3);
    sph_options_check(L, 3, "max_in_flight", "sparse_size", "max_rate", "digest", "progress", NULL);
    uint64_t sparse_size = sph_option_size(L, 3, "sparse_size", 4096);
    luaL_argcheck(L, (sparse_size & (sparse_size - 1)) == 0 && sparse_size <= SPH_COPY_PIECE, 3,
                  "option 'sparse_size' must be 0 or a power of two, up to 4 MiB");
    luaL_argcheck(L, source != target, 2, "source and target are the same");
    sph_copy_data_op *op = new_reading(L, &data_type, source, 3);
    op->target = target;
    op->sparse_size = sparse_size;
    op->digest = sph_option_digest(L, 3, "digest");
    sph_op_use(&op->op, &source->object);
    return sph_await(L, &op->op, &target->object);
}

static int push_digest(lua_State *L, sph_op *op) {
    const sph_copy_data_op *self = (const sph_copy_data_op *)op;
    sph_digest_push(L, self->digest);
    sph_set_integer(L, "read", self->read);
    return 1;
}

static const sph_op_type digest_type = {
    .name = "rbd.digest", .run = sph_copy_data, .push = push_digest, .release = sph_copy_data_release};

/*** image:digest(algorithm, options?) -> {algorithm=, value=, checksum=, read=} | nil, err
 * The hash ("sha256" or "sha512") and the MD5 of what this image is open at, in hexadecimal, holes as zeroes: what
 * `rbd export` gives, hashed. It reads what exists, parents included: `read` bytes. Cancelling stops it.
 * - max_in_flight, max_rate: as for image:copy_data
 * - progress: function(done, total), in bytes of the image
 * Errors: ESTALE when the image shrank meanwhile. */
static int l_image_digest(lua_State *L) {
    sph_image *source = sph_check_image(L, 1);
    lua_settop(L, 3);
    sph_options_check(L, 3, "max_in_flight", "max_rate", "progress", NULL);
    sph_copy_data_op *op = new_reading(L, &digest_type, source, 3);
    op->digest = sph_check_digest(L, 2);
    return sph_await(L, &op->op, &source->object);
}

const luaL_Reg sph_image_copy_methods[] = {{"clone", l_image_clone},         {"copy", l_image_copy},
                                           {"deep_copy", l_image_deep_copy}, {"copy_data", l_image_copy_data},
                                           {"digest", l_image_digest},       {NULL, NULL}};
