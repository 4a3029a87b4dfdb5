/* An image: opening and closing it, reading and writing at an offset. Worker threads run the operations. */
#include "ceph/image.h"

#include "ceph/fail.h"
#include "engine/memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void shut_down(sph_object *object) {
    sph_image *image = (sph_image *)object;
    if (image->rbd)
        rbd_close(image->rbd);
}

static void destroy(sph_object *object) {
    sph_image *image = (sph_image *)object;
    sph_free(image->name);
    sph_free(image->id);
    sph_free(image->snapshot);
}

static void describe(const sph_object *object, char *buffer, size_t size) {
    const sph_image *image = (const sph_image *)object;
    const sph_pool *pool = sph_image_pool(image);
    snprintf(buffer, size, "%s%s%s/%s%s%s", pool->name, *pool->namespace ? "/" : "", pool->namespace,
             image->name ? image->name : "?", image->snapshot ? "@" : "",
             image->snapshot ? image->snapshot : "");
}

const sph_object_type sph_image_type = {
    .name = "siphon.rbd.Image", .shutdown = shut_down, .destroy = destroy, .describe = describe};

sph_image *sph_image_new(sph_pool *pool, bool read_only) {
    sph_image *image = sph_object_new(pool->object.engine, &sph_image_type, sizeof *image, &pool->object);
    if (!image)
        return NULL;
    image->read_only = read_only;
    image->snapshot_id = LIBRADOS_SNAP_HEAD;
    return image;
}

/* --- opening -------------------------------------------------------------------------------------------- */

static int find_names(sph_op *op, sph_image *image, const sph_place *place) {
    char name[512], id[128];
    size_t length = sizeof name;
    int rc = rbd_get_name(image->rbd, name, &length);
    if (rc >= 0)
        rc = rbd_get_id(image->rbd, id, sizeof id);
    if (rc == -ENOTSUP || rc == -EINVAL)
        return sph_ceph_fail(
            op, "EOPNOTSUPP", EOPNOTSUPP, place,
            "this image has format 1, which lacks what siphon needs; `rbd migration` converts it");
    if (sph_ceph_check(op, rc, place, NULL, "cannot ask for its name") < 0)
        return rc;
    image->name = sph_strdup(name);
    image->id = sph_strdup(id);
    return image->name && image->id ? 0 : sph_ceph_no_memory(op);
}

static int go_to_snapshot(sph_image_open_op *self, const sph_place *place) {
    sph_op *op = &self->op;
    sph_image *image = self->image;
    char name[512];
    size_t length = sizeof name;
    int rc;
    if (self->has_snapshot_id) {
        rc = rbd_snap_set_by_id(image->rbd, self->snapshot_id);
        if (rc >= 0)
            rc = rbd_snap_get_name(image->rbd, self->snapshot_id, name, &length);
        image->snapshot_id = self->snapshot_id;
    } else {
        snprintf(name, sizeof name, "%s", self->snapshot);
        rc = rbd_snap_set(image->rbd, name);
        if (rc >= 0)
            rc = rbd_snap_get_id(image->rbd, name, &image->snapshot_id);
    }
    if (sph_ceph_check(op, rc, place, NULL, "cannot open") < 0)
        return rc;
    image->snapshot = sph_strdup(name);
    return image->snapshot ? 0 : sph_ceph_no_memory(op);
}

void sph_image_open(sph_op *op) {
    sph_image_open_op *self = (sph_image_open_op *)op;
    sph_image *image = self->image;
    sph_place place = {.pool = sph_image_pool(image), .image = self->name ? self->name : self->id};
    rados_ioctx_t io = sph_image_pool(image)->io;
    int rc;
    if (self->name)
        rc = image->read_only ? rbd_open_read_only(io, self->name, &image->rbd, NULL)
                              : rbd_open(io, self->name, &image->rbd, NULL);
    else
        rc = image->read_only ? rbd_open_by_id_read_only(io, self->id, &image->rbd, NULL)
                              : rbd_open_by_id(io, self->id, &image->rbd, NULL);
    if (rc < 0)
        image->rbd = NULL;
    if (sph_ceph_check(op, rc, &place, NULL, "cannot open") < 0 || find_names(op, image, &place) < 0)
        return;
    place.image = image->name;
    place.snapshot = self->snapshot;
    char id[32];
    if (self->has_snapshot_id) {
        snprintf(id, sizeof id, "#%llu", (unsigned long long)self->snapshot_id);
        place.snapshot = id;
    }
    if (place.snapshot)
        go_to_snapshot(self, &place);
}

void sph_image_open_release(sph_op *op) {
    sph_image_open_op *self = (sph_image_open_op *)op;
    if (self->image)
        sph_object_unref(&self->image->object);
}

int sph_image_open_by_id(sph_op *op, const sph_pool *pool, const char *id, const char *name, bool read_only,
                         rbd_image_t *rbd) {
    const sph_place place = {.pool = pool, .image = name};
    int rc = read_only ? rbd_open_by_id_read_only(pool->io, id, rbd, NULL)
                       : rbd_open_by_id(pool->io, id, rbd, NULL);
    if (rc < 0)
        *rbd = NULL;
    return sph_ceph_check(op, rc, &place, NULL, "cannot open by id %s", id);
}

int sph_image_reopen(sph_op *op, const sph_image *image, bool read_only, rbd_image_t *rbd) {
    return sph_image_open_by_id(op, sph_image_pool(image), image->id, image->name, read_only, rbd);
}

/* --- data ----------------------------------------------------------------------------------------------- */

void sph_image_size(sph_op *op) {
    sph_image_op *self = (sph_image_op *)op;
    const sph_place place = sph_image_place(self->image);
    sph_ceph_check(op, rbd_get_size(self->image->rbd, &self->result), &place, NULL,
                   "cannot ask for the size");
}

/* librbd clips a read at the end of the image, and refuses one that begins beyond it. */
void sph_image_read(sph_op *op) {
    sph_image_io_op *self = (sph_image_io_op *)op;
    const sph_place place = sph_image_place(self->image);
    uint64_t size;
    if (sph_ceph_check(op, rbd_get_size(self->image->rbd, &size), &place, NULL, "cannot ask for the size") <
        0)
        return;
    uint64_t left = size > self->offset ? size - self->offset : 0;
    if (self->length > left)
        self->length = left;
    if (!self->length)
        return;
    self->buffer = sph_alloc(self->length);
    if (!self->buffer) {
        sph_ceph_no_memory(op);
        return;
    }
    ssize_t rc = rbd_read2(self->image->rbd, self->offset, self->length, self->buffer,
                           LIBRADOS_OP_FLAG_FADVISE_NOCACHE);
    if (sph_ceph_check(op, rc < 0 ? (int)rc : 0, &place, NULL, "cannot read at %llu",
                       (unsigned long long)self->offset) >= 0)
        self->length = (size_t)rc;
}

void sph_image_read_release(sph_op *op) {
    sph_free(((sph_image_io_op *)op)->buffer);
}

void sph_image_write(sph_op *op) {
    sph_image_io_op *self = (sph_image_io_op *)op;
    const sph_place place = sph_image_place(self->image);
    if (!self->length)
        return;
    /* librbd would cut it off at the end of the image, and call that a success. */
    uint64_t size;
    if (sph_ceph_check(op, rbd_get_size(self->image->rbd, &size), &place, NULL, "cannot ask for the size") <
        0)
        return;
    bool fits = self->offset <= size && self->length <= size - self->offset;
    if (!fits && !self->image->read_only) {
        sph_ceph_check(op, -EINVAL, &place, "it ends beyond the image", "cannot write at %llu",
                       (unsigned long long)self->offset);
        return;
    }
    ssize_t rc = rbd_write2(self->image->rbd, self->offset, self->length, self->data, 0);
    sph_ceph_check(op, rc < 0 ? (int)rc : 0, &place, rc == -EINVAL ? "it ends beyond the image" : NULL,
                   "cannot write at %llu", (unsigned long long)self->offset);
}

void sph_image_discard(sph_op *op) {
    sph_image_op *self = (sph_image_op *)op;
    const sph_place place = sph_image_place(self->image);
    int rc = rbd_discard(self->image->rbd, self->offset, self->length);
    sph_ceph_check(op, rc, &place, rc == -EINVAL ? "it ends beyond the image" : NULL,
                   "cannot discard at %llu", (unsigned long long)self->offset);
}

void sph_image_flush(sph_op *op) {
    sph_image_op *self = (sph_image_op *)op;
    const sph_place place = sph_image_place(self->image);
    sph_ceph_check(op, rbd_flush(self->image->rbd), &place, NULL, "cannot flush");
}

/* --- progress ------------------------------------------------------------------------------------------- */

int sph_image_progress(uint64_t done, uint64_t total, void *op) {
    sph_op_progress(op, done, total);
    return 0;
}

int sph_image_progress_or_stop(uint64_t done, uint64_t total, void *op) {
    sph_op_progress(op, done, total);
    return sph_op_is_cancelled(op) ? -ECANCELED : 0;
}
