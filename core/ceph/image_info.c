/* All that decides how an image can be copied, in one look. Worker threads run what is here. */
#include "ceph/image_info.h"

#include "ceph/fail.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const char *sph_encryption_of(const char *bytes, size_t size) {
    static const char luks[6] = "LUKS\xba\xbe", layered[6] = "RBDL\xba\xbe";
    if (size < 8)
        return NULL;
    bool is_layered = memcmp(bytes, layered, sizeof layered) == 0;
    if (!is_layered && memcmp(bytes, luks, sizeof luks) != 0)
        return NULL;
    if (bytes[6] == 0 && bytes[7] == 1)
        return is_layered ? "luks1-layered" : "luks1";
    return is_layered ? "luks2-layered" : "luks2";
}

static int read_layout(sph_image_info_op *self, rbd_image_t rbd) {
    rbd_image_info_t info;
    int rc = rbd_stat(rbd, &info, sizeof info);
    if (rc < 0)
        return rc;
    self->size = info.size;
    self->order = info.order;
    self->object_size = info.obj_size;
    self->objects = info.num_objs;
    struct timespec created = {0};
    if ((rc = rbd_get_features(rbd, &self->features)) < 0 || (rc = rbd_get_flags(rbd, &self->flags)) < 0 ||
        (rc = rbd_get_stripe_unit(rbd, &self->stripe_unit)) < 0 ||
        (rc = rbd_get_stripe_count(rbd, &self->stripe_count)) < 0 ||
        (rc = rbd_get_create_timestamp(rbd, &created)) < 0 ||
        (rc = rbd_get_block_name_prefix(rbd, self->block_name_prefix, sizeof self->block_name_prefix)) < 0)
        return rc;
    self->created = created.tv_sec;
    return 0;
}

static int name_pool(const sph_pool *pool, int64_t id, char *name, size_t size) {
    int rc = rados_pool_reverse_lookup(sph_pool_cluster(pool)->rados, id, name, size);
    if (rc < 0) /* a pool whose removal this client heard of before the image's */
        snprintf(name, size, "#%lld", (long long)id);
    return rc;
}

static int read_relations(sph_image_info_op *self, rbd_image_t rbd) {
    const sph_pool *pool = sph_image_pool(self->image);
    int64_t data_pool = rbd_get_data_pool_id(rbd);
    if (data_pool >= 0 && data_pool != pool->id)
        name_pool(pool, data_pool, self->data_pool, sizeof self->data_pool);

    int rc = rbd_get_parent(rbd, &self->parent, &self->parent_snapshot);
    self->has_parent = rc >= 0;
    if (rc >= 0)
        rc = rbd_get_overlap(rbd, &self->overlap);
    if (rc < 0 && rc != -ENOENT)
        return rc;

    rbd_group_info_t group = {0};
    rc = rbd_get_group(rbd, &group, sizeof group);
    if (rc < 0)
        return rc;
    if (group.name && *group.name) {
        snprintf(self->group, sizeof self->group, "%s", group.name);
        name_pool(pool, group.pool, self->group_pool, sizeof self->group_pool);
    }
    rbd_group_info_cleanup(&group, sizeof group);
    return 0;
}

/* The user may read the header and not the data, which can be in another pool. That is a fact about the
 * image, not a failure to look at it. */
static int read_start(sph_image_info_op *self, rbd_image_t rbd) {
    size_t wanted = self->size < SPH_FIRST_BYTES ? (size_t)self->size : SPH_FIRST_BYTES;
    self->readable = true;
    if (!wanted)
        return 0;
    ssize_t rc = rbd_read(rbd, 0, wanted, self->first_bytes);
    if (rc == -EPERM || rc == -EACCES) {
        self->readable = false;
        return 0;
    }
    if (rc < 0)
        return (int)rc;
    self->first_size = (size_t)rc;
    return 0;
}

void sph_image_info(sph_op *op) {
    sph_image_info_op *self = (sph_image_info_op *)op;
    const sph_place place = sph_image_place(self->image);
    rbd_image_t rbd = self->image->rbd;
    if (sph_ceph_check(op, read_layout(self, rbd), &place, NULL, "cannot ask for its layout") >= 0 &&
        sph_ceph_check(op, read_relations(self, rbd), &place, NULL, "cannot ask for its parent and group") >=
            0 &&
        sph_ceph_check(op, read_start(self, rbd), &place, NULL, "cannot read its first bytes") >= 0 &&
        sph_ceph_check(op, sph_watchers_read(rbd, &self->watchers), &place, NULL,
                       "cannot ask who has it open") >= 0)
        sph_ceph_check(op, sph_lock_owner_read(self->image, &self->owner), &place, NULL,
                       "cannot ask who holds the lock");
}

void sph_image_info_release(sph_op *op) {
    sph_image_info_op *self = (sph_image_info_op *)op;
    if (self->has_parent) {
        rbd_linked_image_spec_cleanup(&self->parent);
        rbd_snap_spec_cleanup(&self->parent_snapshot);
    }
    sph_watchers_free(&self->watchers);
}
