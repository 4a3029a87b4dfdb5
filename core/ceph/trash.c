/* The trash of a pool. Worker threads run what is here. */
#include "ceph/trash.h"

#include "ceph/fail.h"
#include "engine/memory.h"

#include <errno.h>

const char *sph_trash_source_name(rbd_trash_image_source_t source) {
    switch (source) {
    case RBD_TRASH_IMAGE_SOURCE_USER:
        return "user";
    case RBD_TRASH_IMAGE_SOURCE_MIRRORING:
        return "mirroring";
    case RBD_TRASH_IMAGE_SOURCE_MIGRATION:
        return "migration";
    case RBD_TRASH_IMAGE_SOURCE_REMOVING:
        return "removing";
    case RBD_TRASH_IMAGE_SOURCE_USER_PARENT:
        return "user-parent";
    }
    return "other";
}

void sph_trash_list(sph_op *op) {
    sph_trash_op *self = (sph_trash_op *)op;
    size_t room = 64;
    int rc;
    do {
        sph_free(self->list);
        self->list = sph_alloc(room * sizeof *self->list);
        if (!self->list) {
            sph_ceph_no_memory(op);
            return;
        }
        rc = rbd_trash_list(self->pool->io, self->list, &room);
    } while (rc == -ERANGE && !sph_op_is_cancelled(op));
    if (sph_ceph_check(op, rc, &(sph_place){.pool = self->pool}, NULL, "cannot list the trash") >= 0)
        self->count = room;
}

void sph_trash_release(sph_op *op) {
    sph_trash_op *self = (sph_trash_op *)op;
    if (self->list)
        rbd_trash_list_cleanup(self->list, self->count);
    sph_free(self->list);
}

bool sph_trash_prepare(const sph_pool *pool, const char *image) {
    rbd_image_t rbd;
    if (rbd_open_read_only(pool->io, image, &rbd, NULL) < 0)
        return false;
    rbd_close(rbd);
    rados_write_op_t write = rados_create_write_op();
    rados_write_op_create(write, LIBRADOS_CREATE_IDEMPOTENT, NULL);
    int rc = rados_write_op_operate2(write, pool->io, "rbd_trash", NULL, LIBRADOS_OPERATION_FULL_FORCE);
    rados_release_write_op(write);
    return rc >= 0;
}

void sph_trash_move(sph_op *op) {
    sph_trash_op *self = (sph_trash_op *)op;
    const sph_place place = {.pool = self->pool, .image = self->name};
    int rc = rbd_trash_move(self->pool->io, self->name, self->delay);
    if (rc == -ENOENT && sph_trash_prepare(self->pool, self->name))
        rc = rbd_trash_move(self->pool->io, self->name, self->delay);
    sph_ceph_check(op, rc, &place, rc == -EBUSY ? "a client holds its lock; see `rbd status`" : NULL,
                   "cannot move it to the trash");
}

void sph_trash_restore(sph_op *op) {
    sph_trash_op *self = (sph_trash_op *)op;
    const sph_place place = {.pool = self->pool, .image = self->id};
    int rc = rbd_trash_restore(self->pool->io, self->id, self->name ? self->name : "");
    sph_ceph_check(op, rc, &place, NULL, "cannot restore it from the trash");
}

void sph_trash_remove(sph_op *op) {
    sph_trash_op *self = (sph_trash_op *)op;
    const sph_place place = {.pool = self->pool, .image = self->id};
    int rc =
        rbd_trash_remove_with_progress(self->pool->io, self->id, self->force, sph_image_progress_or_stop, op);
    const char *advice = NULL;
    if (rc == -EPERM && !self->force)
        advice = "its delay is not over, or this user lacks a capability; force = true ignores the delay";
    else if (rc == -ENOTEMPTY)
        advice = "it has snapshots";
    else if (rc == -EBUSY)
        advice = "a client has it open, or it has clones";
    sph_ceph_check(op, rc, &place, advice, "cannot remove it from the trash");
}
