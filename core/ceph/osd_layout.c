/* Where the bytes of an image at a snapshot lie. One worker runs what is here. */
#include "ceph/osd_layout.h"

#include "ceph/fail.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What makes an image unfit: feature bits of librbd that its public header does not name in every release. */
#define FEATURE_MIGRATING ((uint64_t)1 << 9)
#define FEATURE_DIRTY_CACHE ((uint64_t)1 << 11)

int sph_layout_read(rbd_image_t rbd, sph_layout *layout) {
    rbd_image_info_t info;
    int rc = rbd_stat(rbd, &info, sizeof info);
    if (rc >= 0)
        rc = rbd_get_stripe_unit(rbd, &layout->unit);
    if (rc >= 0)
        rc = rbd_get_stripe_count(rbd, &layout->count);
    if (rc < 0)
        return rc;
    layout->size = info.size;
    layout->object_size = info.obj_size;
    layout->objects = info.num_objs;
    layout->order = info.order;
    return 0;
}

bool sph_layout_is_striped(const sph_layout *layout) {
    return layout->count > 1 || layout->unit != layout->object_size;
}

bool sph_layout_same(const sph_layout *a, const sph_layout *b) {
    return a->object_size == b->object_size && a->unit == b->unit && a->count == b->count;
}

void sph_osd_object_name(char name[SPH_OBJECT_NAME], const char *prefix, uint64_t n) {
    snprintf(name, SPH_OBJECT_NAME, "%s.%016" PRIx64, prefix, n);
}

/* --- one level ------------------------------------------------------------------------------------------ */

static int open_data(const sph_pool *pool, const char *namespace, sph_osd_level *level) {
    int64_t id = rbd_get_data_pool_id(level->rbd);
    int rc = id < 0 ? (int)id : rados_ioctx_create2(sph_pool_cluster(pool)->rados, id, &level->data);
    if (rc < 0) {
        level->data = NULL;
        return rc;
    }
    rados_set_pool_full_try(level->data);
    rados_ioctx_set_namespace(level->data, namespace);
    rados_ioctx_snap_set_read(level->data, level->snapshot_id);
    return 0;
}

/* The OSDs do not check whether the caller may read what they copy. So he reads an object, or finds none. */
static int prove_right(const sph_osd_level *level) {
    char name[SPH_OBJECT_NAME], byte;
    sph_osd_object_name(name, level->prefix, 0);
    int rc = rados_read(level->data, name, &byte, 1, 0);
    return rc == -ENOENT ? 0 : rc;
}

static int look(sph_osd_level *level) {
    int rc = sph_layout_read(level->rbd, &level->layout);
    if (rc >= 0)
        rc = rbd_get_features(level->rbd, &level->features);
    if (rc >= 0)
        rc = rbd_get_flags(level->rbd, &level->flags);
    if (rc >= 0)
        rc = rbd_get_id(level->rbd, level->id, sizeof level->id);
    if (rc >= 0)
        rc = rbd_get_block_name_prefix(level->rbd, level->prefix, sizeof level->prefix);
    return rc < 0 ? rc : 0;
}

static int add_level(sph_op *op, sph_osd_source *source, const char *namespace) {
    sph_osd_level *level = &source->levels[source->depth], *top = &source->levels[0];
    const sph_pool *pool = sph_image_pool(source->image);
    const sph_place place = {.pool = pool, .image = level->name};
    if (sph_ceph_check(op, look(level), &place, NULL, "cannot ask for its layout") < 0)
        return -EIO;
    if (level->features & FEATURE_MIGRATING)
        return sph_ceph_fail(op, "EOPNOTSUPP", EOPNOTSUPP, &place,
                             "image %s is being migrated: its objects are still elsewhere", level->name);
    if (level->features & FEATURE_DIRTY_CACHE)
        return sph_ceph_fail(op, "EOPNOTSUPP", EOPNOTSUPP, &place,
                             "image %s has data in a client's write-back cache", level->name);
    level->direct = sph_layout_same(&level->layout, &top->layout);
    int rc = open_data(pool, namespace, level);
    if (rc >= 0)
        rc = prove_right(level);
    rc = sph_ceph_check(op, rc, &place, NULL, "cannot read the objects of image %s", level->name);
    source->depth++;
    return rc;
}

/* --- the chain ------------------------------------------------------------------------------------------ */

static int open_parent(sph_op *op, sph_osd_source *source, const rbd_linked_image_spec_t *parent,
                       const rbd_snap_spec_t *snapshot) {
    const sph_pool *pool = sph_image_pool(source->image);
    sph_osd_level *level = &source->levels[source->depth];
    const sph_place place = {.pool = pool, .image = parent->image_name};
    snprintf(level->name, sizeof level->name, "%s", parent->image_name);
    level->snapshot_id = snapshot->id;
    int rc = rados_ioctx_create2(sph_pool_cluster(pool)->rados, parent->pool_id, &level->header);
    if (rc >= 0) {
        rados_set_pool_full_try(level->header);
        rados_ioctx_set_namespace(level->header, parent->pool_namespace);
        /* By id: the parent may lie in the trash, and its snapshot among those kept for clones only. */
        rc = rbd_open_by_id_read_only(level->header, parent->image_id, &level->rbd, NULL);
        if (rc < 0)
            level->rbd = NULL;
    }
    if (rc >= 0)
        rc = rbd_snap_set_by_id(level->rbd, snapshot->id);
    if (sph_ceph_check(op, rc, &place, NULL, "cannot open the parent %s/%s", parent->pool_name,
                       parent->image_name) < 0)
        return rc;
    return add_level(op, source, parent->pool_namespace);
}

/* Returns 1 when there is another parent to ask for, 0 at the end of the chain. */
static int follow(sph_op *op, sph_osd_source *source) {
    sph_osd_level *above = &source->levels[source->depth - 1];
    const sph_place place = {.pool = sph_image_pool(source->image), .image = above->name};
    if (!above->direct)
        return 0;
    uint64_t overlap = 0;
    int rc = rbd_get_overlap(above->rbd, &overlap);
    if (rc == -ENOENT || (rc >= 0 && !overlap))
        return 0;
    rbd_linked_image_spec_t parent;
    rbd_snap_spec_t snapshot;
    if (rc >= 0)
        rc = rbd_get_parent(above->rbd, &parent, &snapshot);
    if (rc == -ENOENT)
        return 0;
    if (rc < 0)
        return sph_ceph_check(op, rc, &place, NULL, "cannot ask for the parent");
    if (source->depth == SPH_OSD_LEVELS)
        rc = sph_ceph_fail(op, "EOPNOTSUPP", EOPNOTSUPP, &place, "it has more than %d parents below it",
                           SPH_OSD_LEVELS - 1);
    else
        rc = open_parent(op, source, &parent, &snapshot);
    rbd_linked_image_spec_cleanup(&parent);
    rbd_snap_spec_cleanup(&snapshot);
    if (rc < 0)
        return rc;
    source->levels[source->depth - 1].limit = overlap < above->limit ? overlap : above->limit;
    return 1;
}

int sph_osd_source_open(sph_op *op, const sph_image *image, sph_osd_source *source) {
    const sph_place place = sph_image_place(image);
    const sph_pool *pool = sph_image_pool(image);
    sph_osd_level *top = &source->levels[0];
    memset(source, 0, sizeof *source);
    source->image = image;
    if (!image->snapshot)
        return sph_ceph_fail(op, "EINVAL", EINVAL, &place,
                             "only a snapshot can be copied by the OSDs: open the image at one");
    top->rbd = image->rbd;
    top->header = pool->io;
    top->snapshot_id = image->snapshot_id;
    snprintf(top->name, sizeof top->name, "%s", image->name);
    int rc = rbd_get_size(top->rbd, &top->limit);
    if (sph_ceph_check(op, rc, &place, NULL, "cannot ask for the size") < 0)
        return rc;
    rc = add_level(op, source, pool->namespace);
    if (rc < 0)
        return rc;
    do
        rc = follow(op, source);
    while (rc > 0);
    return rc;
}

void sph_osd_source_close(sph_osd_source *source) {
    for (unsigned i = 0; i < SPH_OSD_LEVELS; i++) {
        sph_osd_level *level = &source->levels[i];
        if (level->data)
            rados_ioctx_destroy(level->data);
        if (i && level->rbd)
            rbd_close(level->rbd);
        if (i && level->header)
            rados_ioctx_destroy(level->header);
        level->data = level->header = NULL;
        level->rbd = NULL;
    }
}

/* By id: a name may have been given to another snapshot. A parent's is held by the clone: it is protected, or
 * kept in the trash. */
static int find_snapshot(rbd_image_t now, const sph_osd_level *level, bool must_be_held, int *held) {
    rbd_snap_namespace_type_t type;
    char name[512];
    size_t size = sizeof name;
    int rc = rbd_snap_get_namespace_type(now, level->snapshot_id, &type);
    if (rc < 0 || !must_be_held || type != RBD_SNAP_NAMESPACE_TYPE_USER)
        return rc;
    rc = rbd_snap_get_name(now, level->snapshot_id, name, &size);
    return rc < 0 ? rc : rbd_snap_is_protected(now, name, held);
}

int sph_osd_source_check(sph_op *op, sph_osd_source *source) {
    const sph_place place = sph_image_place(source->image);
    for (unsigned i = 0; i < source->depth; i++) {
        const sph_osd_level *level = &source->levels[i];
        rbd_image_t now;
        int held = 1, rc = rbd_open_by_id_read_only(level->header, level->id, &now, NULL);
        if (rc >= 0) {
            rc = find_snapshot(now, level, i == 0, &held);
            rbd_close(now);
        }
        if (rc == -ENOENT)
            return sph_ceph_fail(op, "source.changed", ENOENT, &place,
                                 "the snapshot of %s was removed: the copy cannot be trusted", level->name);
        if (sph_ceph_check(op, rc, &place, NULL, "cannot look at the snapshot of %s", level->name) < 0)
            return rc;
        if (!held && source->was_held)
            return sph_ceph_fail(op, "source.changed", EINVAL, &place,
                                 "the snapshot was unprotected meanwhile: the copy cannot be trusted");
        if (!held)
            return sph_ceph_fail(
                op, "source.unprotected", EINVAL, &place,
                "the snapshot is not protected: removed in mid-copy, it would give a wrong copy "
                "without an error");
    }
    source->was_held = true;
    return 0;
}

/* An object of the parent counts as a whole only if nothing in it lies beyond the limit: the child may have
 * been smaller for a while, and what was cut off then is not part of it. */
sph_cover sph_osd_level_covers(const sph_osd_source *source, unsigned i, uint64_t n) {
    const sph_osd_level *level = &source->levels[i];
    const sph_layout *l = &source->levels[0].layout;
    uint64_t units = l->object_size / l->unit;
    uint64_t end = sph_layout_address(l, n, units - 1) + l->unit;
    if (sph_layout_address(l, n, 0) >= level->limit)
        return SPH_COVERS_NOT;
    if (end > level->layout.size && !sph_layout_is_striped(l))
        end = level->layout.size;
    return level->direct && end <= level->limit ? SPH_COVERS_WHOLLY : SPH_COVERS_PARTLY;
}
