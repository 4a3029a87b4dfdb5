/* The image that the OSDs copy into. Workers run what is here. */
#include "ceph/osd_target.h"

#include "ceph/fail.h"
#include "ceph/osd_map.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARK "siphon.osd_copy"
#define MARK_SIZE 512

/* What a copy writes past librbd: its journal, its mirrors, its cache would not hear of it. */
#define FEATURES_PAST (RBD_FEATURE_JOURNALING | (uint64_t)1 << 9 | (uint64_t)1 << 10 | (uint64_t)1 << 11)

/* --- the header ----------------------------------------------------------------------------------------- */

static char *put64(char *at, uint64_t value) {
    value = htole64(value);
    memcpy(at, &value, sizeof value);
    return at + sizeof value;
}

/* Class rbd, set_flags(flags, mask, snapshot id). */
static void add_set_flags(rados_write_op_t write, uint64_t flags) {
    const uint64_t both = RBD_FLAG_OBJECT_MAP_INVALID | RBD_FLAG_FAST_DIFF_INVALID;
    char in[24];
    put64(put64(put64(in, flags), both), (uint64_t)LIBRADOS_SNAP_HEAD);
    rados_write_op_exec(write, "rbd", "set_flags", in, sizeof in, NULL);
}

static int change_header(const sph_osd_target *t, rados_write_op_t write) {
    char name[SPH_OBJECT_NAME];
    snprintf(name, sizeof name, "rbd_header.%s", t->id);
    return rados_write_op_operate(write, t->pool->io, name, NULL, 0);
}

static bool has_map(const sph_osd_target *t) {
    return t->features & RBD_FEATURE_OBJECT_MAP;
}

/* "1 <watermark> <pool id> <image id> <snapshot id>": what is copied, as numbers that nobody can rename. */
static void write_mark(char text[MARK_SIZE], const sph_osd_source *source, uint64_t watermark) {
    snprintf(text, MARK_SIZE, "1 %" PRIu64 " %" PRId64 " %s %" PRIu64, watermark,
             sph_image_pool(source->image)->id, source->levels[0].id, source->levels[0].snapshot_id);
}

static int set_mark(const sph_osd_target *t, const sph_osd_source *source, uint64_t watermark, bool first) {
    char text[MARK_SIZE];
    write_mark(text, source, watermark);
    rados_write_op_t write = rados_create_write_op();
    if (!write)
        return -ENOMEM;
    rados_write_op_assert_exists(write);
    if (first && has_map(t))
        add_set_flags(write, RBD_FLAG_OBJECT_MAP_INVALID | RBD_FLAG_FAST_DIFF_INVALID);
    rados_write_op_setxattr(write, MARK, text, strlen(text));
    int rc = change_header(t, write);
    rados_release_write_op(write);
    return rc;
}

int sph_osd_target_finish(const sph_osd_target *t) {
    rados_write_op_t write = rados_create_write_op();
    if (!write)
        return -ENOMEM;
    rados_write_op_assert_exists(write);
    if (has_map(t))
        add_set_flags(write, 0);
    rados_write_op_rmxattr(write, MARK);
    int rc = change_header(t, write);
    rados_release_write_op(write);
    return rc;
}

/* Whether it is an unfinished copy of just this source: 1, 0 when it has no mark, -ESTALE when it is one of
 * something else, or a negative errno. */
static int read_mark(sph_osd_target *t, const sph_osd_source *source) {
    char name[SPH_OBJECT_NAME], text[MARK_SIZE], expected[MARK_SIZE];
    snprintf(name, sizeof name, "rbd_header.%s", t->id);
    int rc = rados_getxattr(t->pool->io, name, MARK, text, sizeof text - 1);
    if (rc == -ENODATA)
        return 0;
    if (rc < 0)
        return rc;
    text[rc] = '\0';
    t->marked = true;
    char *end = text;
    if (strncmp(text, "1 ", 2) == 0)
        t->watermark = strtoull(text + 2, &end, 10);
    write_mark(expected, source, t->watermark);
    return strcmp(text, expected) == 0 ? 1 : -ESTALE;
}

/* --- opening -------------------------------------------------------------------------------------------- */

static int look(sph_osd_target *t, rbd_image_t rbd) {
    size_t size = sizeof t->name;
    int rc = sph_layout_read(rbd, &t->layout);
    if (rc >= 0)
        rc = rbd_get_features(rbd, &t->features);
    if (rc >= 0)
        rc = rbd_get_flags(rbd, &t->flags);
    if (rc >= 0)
        rc = rbd_get_id(rbd, t->id, sizeof t->id);
    if (rc >= 0)
        rc = rbd_get_name(rbd, t->name, &size);
    if (rc >= 0)
        rc = rbd_get_block_name_prefix(rbd, t->prefix, sizeof t->prefix);
    if (rc < 0)
        return rc;
    int64_t pool = rbd_get_data_pool_id(rbd);
    rc = pool < 0 ? (int)pool : rados_ioctx_create2(sph_pool_cluster(t->pool)->rados, pool, &t->data);
    if (rc < 0) {
        t->data = NULL;
        return rc;
    }
    rados_set_pool_full_try(t->data);
    rados_ioctx_set_namespace(t->data, t->pool->namespace);
    return 0;
}

static int check_fit(sph_op *op, const sph_osd_target *t, const sph_osd_source *source) {
    const sph_place place = {.pool = t->pool, .image = t->name};
    const sph_layout *from = &source->levels[0].layout;
    if (!sph_layout_same(&t->layout, from) || t->layout.size != from->size)
        return sph_ceph_fail(op, "EINVAL", EINVAL, &place,
                             "size, object size or striping of the target are not those of the snapshot");
    if (t->features & FEATURES_PAST)
        return sph_ceph_fail(op, "EINVAL", EINVAL, &place,
                             "the target has journaling, is mirrored, cached or being migrated: what the "
                             "OSDs write would pass that by");
    return 0;
}

static int check_mark(sph_op *op, sph_osd_target *t, const sph_osd_source *source) {
    const sph_place place = {.pool = t->pool, .image = t->name};
    int rc = read_mark(t, source);
    if (rc == 0)
        return sph_ceph_fail(op, "EEXIST", EEXIST, &place,
                             "the target is no unfinished copy: make one with osd_create");
    if (rc == -ESTALE)
        return sph_ceph_fail(op, "ESTALE", ESTALE, &place,
                             "the target is the unfinished copy of another snapshot");
    return sph_ceph_check(op, rc, &place, NULL, "cannot read how far the copy got");
}

int sph_osd_target_open(sph_op *op, const sph_pool *pool, const char *name, const char *id,
                        const sph_osd_source *source, sph_osd_target *t) {
    const sph_place place = {.pool = pool, .image = name ? name : id};
    rbd_image_t rbd;
    *t = (sph_osd_target){.pool = pool};
    int rc = name ? rbd_open_read_only(pool->io, name, &rbd, NULL)
                  : rbd_open_by_id_read_only(pool->io, id, &rbd, NULL);
    if (sph_ceph_check(op, rc, &place, NULL, "cannot open the target") < 0)
        return rc;
    rc = look(t, rbd);
    rbd_close(rbd);
    if (sph_ceph_check(op, rc, &place, NULL, "cannot ask for the target's layout") < 0)
        return rc;
    if (!source)
        return 0;
    rc = check_fit(op, t, source);
    return rc < 0 ? rc : check_mark(op, t, source);
}

void sph_osd_target_close(sph_osd_target *t) {
    if (t->data)
        rados_ioctx_destroy(t->data);
    t->data = NULL;
}

/* --- its birth ------------------------------------------------------------------------------------------ */

static int create(sph_osd_create_op *self, const sph_layout *layout) {
    const sph_place place = {.pool = self->pool, .image = self->name};
    self->options.order = layout->order;
    if (sph_layout_is_striped(layout)) {
        self->options.stripe_unit = layout->unit;
        self->options.stripe_count = layout->count;
    }
    rbd_image_options_t options;
    int rc = sph_image_options_make(&self->options, &options);
    if (rc >= 0)
        rc = rbd_create4(self->pool->io, self->name, layout->size, options);
    rbd_image_options_destroy(options);
    return sph_ceph_check(&self->op, rc, &place, NULL, "cannot create the target");
}

void sph_osd_create(sph_op *op) {
    sph_osd_create_op *self = (sph_osd_create_op *)op;
    const sph_place place = {.pool = self->pool, .image = self->name};
    if (self->options.features & FEATURES_PAST) {
        sph_ceph_fail(op, "EINVAL", EINVAL, &place, "the OSDs cannot write past journaling or mirroring");
        return;
    }
    sph_osd_source source;
    sph_osd_target target = {0};
    if (sph_osd_source_open(op, self->source, &source) >= 0 && create(self, &source.levels[0].layout) >= 0 &&
        sph_osd_target_open(op, self->pool, self->name, NULL, NULL, &target) >= 0) {
        snprintf(self->id, sizeof self->id, "%s", target.id);
        sph_ceph_check(op, set_mark(&target, &source, 0, true), &place, NULL, "cannot mark the target");
    }
    sph_osd_target_close(&target);
    sph_osd_source_close(&source);
}

int sph_osd_target_advance(sph_osd_target *t, const sph_osd_source *source, const sph_bits *made,
                           uint64_t watermark) {
    char name[SPH_OBJECT_NAME];
    snprintf(name, sizeof name, "rbd_object_map.%s", t->id);
    int rc = has_map(t) ? sph_map_enter(t->pool->io, name, made, t->watermark, watermark) : 0;
    if (rc >= 0)
        rc = set_mark(t, source, watermark, false);
    if (rc >= 0)
        t->watermark = watermark;
    return rc;
}
