/* What changes an image as a whole. Worker threads run what is here. */
#include "ceph/image_change.h"

#include "ceph/fail.h"

#include <errno.h>

static const char *busy(int rc) {
    return rc == -EBUSY || rc == -EAGAIN ? "another client holds its exclusive lock and does not give it up"
                                         : NULL;
}

void sph_image_flatten(sph_op *op) {
    sph_image_op *self = (sph_image_op *)op;
    const sph_place place = sph_image_place(self->image);
    int rc = rbd_flatten_with_progress(self->image->rbd, sph_image_progress_or_stop, op);
    sph_ceph_check(op, rc, &place, rc == -EINVAL ? "it has no parent" : busy(rc), "cannot flatten");
}

void sph_image_sparsify(sph_op *op) {
    sph_image_op *self = (sph_image_op *)op;
    const sph_place place = sph_image_place(self->image);
    int rc = rbd_sparsify_with_progress(self->image->rbd, self->length, sph_image_progress_or_stop, op);
    sph_ceph_check(op, rc, &place,
                   rc == -EINVAL
                       ? "sparse_size must be a power of two, at least 4096 and at most the object size"
                       : busy(rc),
                   "cannot sparsify");
}

void sph_image_rebuild_object_map(sph_op *op) {
    sph_image_op *self = (sph_image_op *)op;
    const sph_place place = sph_image_place(self->image);
    int rc = rbd_rebuild_object_map(self->image->rbd, sph_image_progress_or_stop, op);
    sph_ceph_check(op, rc, &place, rc == -EINVAL ? "it lacks the object-map feature" : busy(rc),
                   "cannot rebuild the object map");
}

void sph_image_resize(sph_op *op) {
    sph_image_op *self = (sph_image_op *)op;
    const sph_place place = sph_image_place(self->image);
    int rc = rbd_resize2(self->image->rbd, self->length, self->flag, sph_image_progress_or_stop, op);
    sph_ceph_check(op, rc, &place,
                   rc == -EINVAL && !self->flag ? "it would become smaller, which needs allow_shrink = true"
                                                : busy(rc),
                   "cannot resize to %llu bytes", (unsigned long long)self->length);
}

void sph_image_update_features(sph_op *op) {
    sph_image_op *self = (sph_image_op *)op;
    const sph_place place = sph_image_place(self->image);
    const uint64_t bits[2] = {self->length, self->offset}; /* off, then on */
    for (uint8_t on = 0; on < 2; on++) {
        if (!bits[on])
            continue;
        int rc = rbd_update_features(self->image->rbd, bits[on], on);
        const char *advice = rc == -EINVAL ? "some features need others, or cannot be changed later; "
                                             "see `rbd help feature enable`"
                                           : busy(rc);
        if (sph_ceph_check(op, rc, &place, advice, "cannot turn features %s", on ? "on" : "off") < 0)
            return;
    }
}
