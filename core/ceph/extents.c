/* What exists of an image. Worker threads run what is here. */
#include "ceph/extents.h"

#include "ceph/fail.h"
#include "ceph/osd_layout.h"
#include "ceph/osd_map.h"
#include "engine/memory.h"

#include <errno.h>

#define WINDOW_OBJECTS 4096

typedef struct {
    sph_extent_call *call;
    void *context;
} relay;

static int pass_on(uint64_t offset, size_t length, int exists, void *context) {
    const relay *r = context;
    return r->call(offset, length, exists != 0, r->context);
}

/* How much to ask for at once. librbd calls back only for what exists, so that an empty terabyte without an
 * object map would be a question that nobody can take back; with a map it is quick, and each question reads the
 * whole map. */
static int choose_window(rbd_image_t rbd, bool whole_object, uint64_t *window) {
    const uint64_t invalid = RBD_FLAG_OBJECT_MAP_INVALID | RBD_FLAG_FAST_DIFF_INVALID;
    uint64_t features, flags, count;
    rbd_image_info_t info;
    int rc;
    if ((rc = rbd_get_features(rbd, &features)) < 0 || (rc = rbd_get_flags(rbd, &flags)) < 0 ||
        (rc = rbd_get_stripe_count(rbd, &count)) < 0 || (rc = rbd_stat(rbd, &info, sizeof info)) < 0)
        return rc;
    bool fast = whole_object && (features & RBD_FEATURE_FAST_DIFF) && !(flags & invalid);
    *window = fast ? UINT64_MAX : WINDOW_OBJECTS * info.obj_size * count;
    return 0;
}

int sph_extents_each(rbd_image_t rbd, const char *from_snapshot, uint64_t offset, uint64_t length,
                     bool include_parent, bool whole_object, sph_extent_call *call, void *context) {
    uint64_t size;
    int rc = rbd_get_size(rbd, &size);
    if (rc < 0 || offset >= size) /* librbd takes an empty range for a mistake */
        return rc;
    if (length > size - offset)
        length = size - offset;
    uint64_t end = offset + length, window;
    rc = choose_window(rbd, whole_object, &window);
    relay r = {call, context};
    while (rc >= 0 && offset < end) {
        uint64_t step = window - offset % window;
        if (step > end - offset)
            step = end - offset;
        rc = rbd_diff_iterate2(rbd, from_snapshot, offset, step, include_parent, whole_object, pass_on, &r);
        offset += step;
        if (rc >= 0)
            rc = call(offset, 0, false, context);
    }
    return rc < 0 ? rc : 0;
}

/* --- the list ------------------------------------------------------------------------------------------- */

static int add(uint64_t offset, uint64_t length, bool exists, void *context) {
    sph_extents_op *self = context;
    if (sph_op_is_cancelled(&self->op))
        return -ECANCELED;
    sph_op_progress(&self->op, offset + length, self->size);
    if (!length)
        return 0;
    sph_extent *last = self->count ? &self->list[self->count - 1] : NULL;
    if (last && last->exists == exists && last->offset + last->length == offset) {
        last->length += length;
        return 0;
    }
    if (!self->list || self->count == self->room) {
        size_t room = self->room ? self->room * 2 : 64;
        sph_extent *list = sph_realloc(self->list, room * sizeof *list);
        if (!list)
            return -ENOMEM;
        self->list = list;
        self->room = room;
    }
    self->list[self->count++] = (sph_extent){offset, length, exists};
    return 0;
}

void sph_extents_list(sph_op *op) {
    sph_extents_op *self = (sph_extents_op *)op;
    sph_place place = sph_image_place(self->image);
    rbd_image_t rbd = self->image->rbd;
    int rc = rbd_get_size(rbd, &self->size);
    if (rc >= 0)
        rc = sph_extents_each(rbd, self->from_snapshot, self->offset, self->length, self->include_parent,
                              self->whole_object, add, self);
    if (rc == -ENOENT && self->from_snapshot)
        place.snapshot = self->from_snapshot;
    sph_ceph_check(op, rc, &place,
                   rc == -EINVAL && self->from_snapshot
                       ? "from_snapshot must be older than what the image is open at"
                       : NULL,
                   "cannot list what exists");
}

void sph_extents_release(sph_op *op) {
    sph_free(((sph_extents_op *)op)->list);
}

/* --- the sum -------------------------------------------------------------------------------------------- */

typedef struct {
    sph_allocated_op *self;
    sph_layout layout;
    uint64_t count;
    bool last; /* the last object exists; it may be shorter than the others */
} tally;

static int count_states(const unsigned char *states, size_t size, uint64_t n, void *context) {
    tally *t = context;
    for (size_t i = 0; i < size; i++, n += 4) {
        if (!states[i])
            continue;
        for (unsigned k = 0; k < 4 && n + k < t->layout.objects; k++) {
            bool exists = sph_map_state(states[i], k) != SPH_OBJECT_ABSENT;
            t->count += exists;
            t->last = exists && n + k == t->layout.objects - 1;
        }
    }
    uint64_t done = n * t->layout.object_size;
    sph_op_progress(&t->self->op, done < t->self->size ? done : t->self->size, t->self->size);
    return sph_op_is_cancelled(&t->self->op) ? -ECANCELED : 0;
}

/* What the map of an image alone can tell: not with parents, whose objects count too, and not with striping,
 * where the last objects are shorter in other ways. 0, a negative errno, or -EOPNOTSUPP. */
static int sum_by_map(sph_allocated_op *self) {
    const uint64_t map = RBD_FEATURE_OBJECT_MAP | RBD_FEATURE_FAST_DIFF;
    const sph_image *image = self->image;
    uint64_t features, flags, overlap = 0;
    char id[128];
    tally t = {.self = self};
    int rc;
    if ((rc = rbd_get_features(image->rbd, &features)) < 0 || (rc = rbd_get_flags(image->rbd, &flags)) < 0 ||
        (rc = rbd_get_overlap(image->rbd, &overlap)) < 0 ||
        (rc = rbd_get_id(image->rbd, id, sizeof id)) < 0 || (rc = sph_layout_read(image->rbd, &t.layout)) < 0)
        return rc;
    if ((features & map) != map || flags || (overlap && self->include_parent) ||
        sph_layout_is_striped(&t.layout))
        return -EOPNOTSUPP;
    rc = sph_map_each(sph_image_pool(image)->io, id, image->snapshot_id, t.layout.objects, count_states, &t);
    uint64_t beyond = t.layout.objects * t.layout.object_size - t.layout.size;
    self->bytes = t.count * t.layout.object_size - (t.last ? beyond : 0);
    return rc;
}

static int sum(uint64_t offset, uint64_t length, bool exists, void *context) {
    sph_allocated_op *self = context;
    if (exists)
        self->bytes += length;
    sph_op_progress(&self->op, offset + length, self->size);
    return sph_op_is_cancelled(&self->op) ? -ECANCELED : 0;
}

void sph_extents_allocated(sph_op *op) {
    sph_allocated_op *self = (sph_allocated_op *)op;
    const sph_place place = sph_image_place(self->image);
    rbd_image_t rbd = self->image->rbd;
    int rc = rbd_get_size(rbd, &self->size);
    if (rc >= 0)
        rc = sum_by_map(self);
    if (rc == -EOPNOTSUPP) {
        self->bytes = 0;
        rc = sph_extents_each(rbd, NULL, 0, self->size, self->include_parent, true, sum, self);
    }
    sph_ceph_check(op, rc, &place, NULL, "cannot add up what exists");
}
