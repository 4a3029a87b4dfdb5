/* Snapshots of an image. Worker threads run what is here. */
#include "ceph/snapshot.h"

#include "ceph/fail.h"
#include "engine/memory.h"

#include <errno.h>
#include <string.h>

static sph_place place_of(const sph_snapshot_op *self) {
    sph_place place = sph_image_place(self->image);
    place.snapshot = self->name;
    return place;
}

const char *sph_snapshot_advice(int rc) {
    switch (rc) {
    case -EDQUOT:
        return "the image's snapshot limit is reached (rbd snap limit), or its pool's quota";
    case -EROFS:
        return "open the image with read_only = false";
    default:
        return NULL;
    }
}

void sph_snapshot_create(sph_op *op) {
    sph_snapshot_op *self = (sph_snapshot_op *)op;
    const sph_place place = place_of(self);
    rbd_image_t rbd = self->image->rbd;
    int rc = rbd_snap_create2(rbd, self->name, self->flags, sph_image_progress, op);
    if (sph_ceph_check(op, rc, &place, sph_snapshot_advice(rc), "cannot create") < 0)
        return;
    rc = rbd_snap_get_id(rbd, self->name, &self->id);
    sph_ceph_check(op, rc, &place, NULL, "it was created, but its id cannot be found");
}

void sph_snapshot_remove(sph_op *op) {
    sph_snapshot_op *self = (sph_snapshot_op *)op;
    const sph_place place = place_of(self);
    int rc = self->name ? rbd_snap_remove2(self->image->rbd, self->name, 0, sph_image_progress, op)
                        : rbd_snap_remove_by_id(self->image->rbd, self->id);
    sph_ceph_check(op, rc, &place, rc == -EBUSY ? "it is protected, or has clones" : sph_snapshot_advice(rc),
                   "cannot remove");
}

void sph_snapshot_rename(sph_op *op) {
    sph_snapshot_op *self = (sph_snapshot_op *)op;
    const sph_place place = place_of(self);
    int rc = rbd_snap_rename(self->image->rbd, self->name, self->new_name);
    sph_ceph_check(op, rc, &place, sph_snapshot_advice(rc), "cannot rename it to %s", self->new_name);
}

void sph_snapshot_rollback(sph_op *op) {
    sph_snapshot_op *self = (sph_snapshot_op *)op;
    const sph_place place = place_of(self);
    int rc = rbd_snap_rollback_with_progress(self->image->rbd, self->name, sph_image_progress, op);
    sph_ceph_check(op, rc, &place, sph_snapshot_advice(rc), "cannot roll the image back to it");
}

/* librbd answers EBUSY to protecting what is protected and EINVAL to unprotecting what is not. Either way the
 * snapshot is as asked for. */
void sph_snapshot_protect(sph_op *op) {
    sph_snapshot_op *self = (sph_snapshot_op *)op;
    const sph_place place = place_of(self);
    int rc = rbd_snap_protect(self->image->rbd, self->name);
    if (rc == -EBUSY)
        rc = 0;
    sph_ceph_check(op, rc, &place, sph_snapshot_advice(rc), "cannot protect");
}

void sph_snapshot_unprotect(sph_op *op) {
    sph_snapshot_op *self = (sph_snapshot_op *)op;
    const sph_place place = place_of(self);
    int rc = rbd_snap_unprotect(self->image->rbd, self->name);
    if (rc == -EINVAL)
        rc = 0;
    sph_ceph_check(op, rc, &place,
                   rc == -EBUSY ? "it has clones: flatten or remove them first" : sph_snapshot_advice(rc),
                   "cannot unprotect");
}

void sph_snapshot_is_protected(sph_op *op) {
    sph_snapshot_op *self = (sph_snapshot_op *)op;
    const sph_place place = place_of(self);
    rbd_image_t rbd;
    if (sph_image_reopen(op, self->image, true, &rbd) < 0)
        return;
    int is_protected = 0;
    int rc = rbd_snap_is_protected(rbd, self->name, &is_protected);
    self->is_protected = is_protected != 0;
    rbd_close(rbd);
    sph_ceph_check(op, rc, &place, NULL, "cannot ask whether it is protected");
}

/* --- list ----------------------------------------------------------------------------------------------- */

const char *sph_snapshot_type_name(rbd_snap_namespace_type_t type) {
    switch (type) {
    case RBD_SNAP_NAMESPACE_TYPE_USER:
        return "user";
    case RBD_SNAP_NAMESPACE_TYPE_GROUP:
        return "group";
    case RBD_SNAP_NAMESPACE_TYPE_TRASH:
        return "trash";
    case RBD_SNAP_NAMESPACE_TYPE_MIRROR:
        return "mirror";
    }
    return "other";
}

static int fill(rbd_image_t rbd, const rbd_snap_info_t *from, sph_snapshot_info *info) {
    struct timespec created = {0};
    int is_protected = 0;
    info->id = from->id;
    info->size = from->size;
    info->name = sph_strdup(from->name);
    if (!info->name)
        return -ENOMEM;
    int rc = rbd_snap_get_namespace_type(rbd, from->id, &info->type);
    if (rc >= 0)
        rc = rbd_snap_get_timestamp(rbd, from->id, &created);
    info->created = created.tv_sec;
    /* Only snapshots that users make can be protected, and only those can be asked for by name. */
    if (rc >= 0 && info->type == RBD_SNAP_NAMESPACE_TYPE_USER)
        rc = rbd_snap_is_protected(rbd, from->name, &is_protected);
    info->is_protected = is_protected != 0;
    return rc;
}

void sph_snapshot_list(sph_op *op) {
    sph_snapshot_list_op *self = (sph_snapshot_list_op *)op;
    const sph_place place = {.pool = sph_image_pool(self->image), .image = self->image->name};
    rbd_image_t rbd;
    if (sph_image_reopen(op, self->image, true, &rbd) < 0)
        return;
    rbd_snap_info_t *found = NULL;
    int room = 32, count;
    do {
        sph_free(found);
        found = sph_alloc((size_t)room * sizeof *found);
        count = found ? rbd_snap_list(rbd, found, &room) : -ENOMEM;
    } while (count == -ERANGE);
    int rc = count;
    if (count > 0) {
        self->list = sph_alloc((size_t)count * sizeof *self->list);
        if (!self->list)
            rc = -ENOMEM;
    }
    for (int i = 0; i < count && rc >= 0; i++)
        rc = fill(rbd, &found[i], &self->list[self->count++]);
    if (count >= 0)
        rbd_snap_list_end(found);
    sph_free(found);
    rbd_close(rbd);
    sph_ceph_check(op, rc, &place, NULL, "cannot list the snapshots");
}

void sph_snapshot_list_release(sph_op *op) {
    sph_snapshot_list_op *self = (sph_snapshot_list_op *)op;
    for (size_t i = 0; i < self->count; i++)
        sph_free(self->list[i].name);
    sph_free(self->list);
}
