/* Whether an object of the target is equal to what it was copied from: by the OSDs' checksums, and by reading
 * the little that they leave open. The copy's own threads run what is here. */
#include "ceph/osd_carry.h"

#include "ceph/fail.h"
#include "engine/memory.h"

#include <errno.h>
#include <string.h>

/* How often an operation that timed out is done at most. */
#define TRIES 5

bool sph_carrier_try_again(sph_carrier *w, int rc, unsigned *tries) {
    if (rc != -ETIMEDOUT || ++*tries >= TRIES || sph_op_is_cancelled(w->plan->op))
        return false;
    atomic_fetch_add(&w->plan->tally->retries, 1);
    sph_pace_timed_out(w->plan->pace);
    return true;
}

int sph_carrier_sums(sph_carrier *w, rados_ioctx_t io, const char *name, uint64_t expected, sph_sums *sums) {
    unsigned tries = 0;
    int rc;
    do {
        rc = sph_sums_take(io, name, w->plan->target->layout.object_size, expected, sums);
    } while (sph_carrier_try_again(w, rc, &tries));
    return rc;
}

char *sph_carrier_buffer(sph_carrier *w) {
    if (!w->buffer && !(w->buffer = sph_alloc(SPH_CARRY_BUFFER)))
        sph_ceph_no_memory(w->plan->op);
    return w->buffer;
}

/* A listed object is not there. librbd marks an object in the map before it first writes to it, and a client may have
 * died in between; or the snapshot is gone. What it is shows in the snapshot, and it is never taken for a hole. */
static int is_missing(sph_carrier *w, const sph_place *place) {
    if (sph_osd_source_check(w->plan->op, w->plan->source) < 0)
        return -ESTALE;
    return sph_ceph_fail(
        w->plan->op, "source.map", ENOENT, place,
        "the object map names an object that is not there, as after a client that died over its first "
        "write: another route does without the map, and `rbd object-map rebuild` mends it");
}

int sph_carrier_fail(sph_carrier *w, int rc, const sph_origin *o, bool target, const char *what) {
    const sph_osd_plan *plan = w->plan;
    sph_place place = sph_image_place(plan->source->image);
    place.object = o->name;
    if (target)
        place = (sph_place){.pool = plan->target->pool, .image = plan->target->name, .object = o->target};
    if (rc == -ENOENT && !target)
        return is_missing(w, &place);
    return sph_ceph_check(plan->op, rc, &place, NULL, "%s %s", what,
                          *place.object ? place.object : "an object");
}

/* --- reading -------------------------------------------------------------------------------------------- */

static int read_object(sph_carrier *w, rados_ioctx_t io, const char *name, uint64_t offset, size_t size,
                       char *bytes) {
    unsigned tries = 0;
    int rc;
    do {
        rc = rados_read(io, name, bytes, size, offset);
    } while (sph_carrier_try_again(w, rc, &tries));
    if (rc == -ENOENT)
        rc = 0;
    if (rc >= 0)
        memset(bytes + rc, 0, size - (size_t)rc);
    return rc < 0 ? rc : 0;
}

/* Stripe unit by stripe unit; without striping the object is one unit. */
static int read_librbd(const sph_osd_source *source, uint64_t n, uint64_t offset, size_t size, char *bytes) {
    const sph_osd_level *top = &source->levels[0];
    const sph_layout *l = &top->layout;
    while (size) {
        uint64_t k = offset / l->unit, within = offset % l->unit;
        size_t part = (size_t)(l->unit - within);
        if (part > size)
            part = size;
        uint64_t address = sph_layout_address(l, n, k) + within;
        uint64_t left = address < l->size ? l->size - address : 0;
        size_t there = left < part ? (size_t)left : part;
        ssize_t rc = there ? rbd_read2(top->rbd, address, there, bytes, LIBRADOS_OP_FLAG_FADVISE_NOCACHE) : 0;
        if (rc < 0)
            return (int)rc;
        memset(bytes + rc, 0, part - (size_t)rc);
        offset += part;
        bytes += part;
        size -= part;
    }
    return 0;
}

int sph_origin_read(sph_carrier *w, const sph_origin *o, uint64_t offset, size_t size, char *bytes) {
    unsigned tries = 0;
    int rc;
    if (o->librbd) {
        do {
            rc = read_librbd(w->plan->source, o->n, offset, size, bytes);
        } while (sph_carrier_try_again(w, rc, &tries));
        return rc;
    }
    if (o->level)
        return read_object(w, o->level->data, o->name, offset, size, bytes);
    memset(bytes, 0, size);
    return 0;
}

/* --- comparing ------------------------------------------------------------------------------------------ */

/* It may be the source that is another one by now. */
static int differ(sph_carrier *w, const sph_origin *o, uint64_t offset) {
    const sph_osd_target *t = w->plan->target;
    if (sph_osd_source_check(w->plan->op, w->plan->source) < 0)
        return -ESTALE;
    const sph_place place = {.pool = t->pool, .image = t->name, .object = o->target};
    return sph_ceph_fail(w->plan->op, "verify.differs", EIO, &place,
                         "object %s differs from its source at %llu", o->target, (unsigned long long)offset);
}

static int compare_bytes(sph_carrier *w, const sph_origin *o, uint64_t offset, uint64_t end) {
    char *ours = sph_carrier_buffer(w);
    const size_t half = SPH_CARRY_BUFFER / 2;
    if (!ours)
        return -ENOMEM;
    char *theirs = ours + half;
    while (offset < end) {
        size_t size = end - offset < half ? (size_t)(end - offset) : half;
        int rc = sph_origin_read(w, o, offset, size, ours);
        if (rc < 0)
            return sph_carrier_fail(w, rc, o, false, "cannot read");
        rc = read_object(w, w->plan->target->data, o->target, offset, size, theirs);
        if (rc < 0)
            return sph_carrier_fail(w, rc, o, true, "cannot read");
        atomic_fetch_add(&w->plan->tally->verify_through_host, 2 * size);
        if (memcmp(ours, theirs, size) != 0)
            return differ(w, o, offset);
        offset += size;
    }
    return 0;
}

/* An object that comes through librbd has no sums: it is read. */
int sph_osd_compare(sph_carrier *w, const sph_origin *o, bool *present) {
    const sph_osd_plan *plan = w->plan;
    uint64_t object_size = plan->target->layout.object_size;
    double began = sph_now();
    uint64_t expected = o->summed ? w->from.size : o->mapped ? w->map.end : object_size;
    int rc = sph_carrier_sums(w, plan->target->data, o->target, expected, &w->to);
    if (rc < 0)
        return sph_carrier_fail(w, rc, o, true, "cannot ask for the checksums of");
    *present = !w->to.absent;
    atomic_fetch_add(&plan->tally->verified, 1);
    if (o->librbd || plan->verify == SPH_VERIFY_READ)
        return compare_bytes(w, o, 0, object_size);
    if (!o->level) {
        w->from = (sph_sums){.absent = true, .chunk = w->to.chunk};
    } else if (!o->summed) {
        rc = sph_carrier_sums(w, o->level->data, o->name, w->to.size, &w->from);
        if (rc < 0)
            return sph_carrier_fail(w, rc, o, false, "cannot ask for the checksums of");
    }
    sph_pace_took(plan->pace, SPH_PACE_READ, sph_now() - began);
    for (uint64_t offset = 0; offset < object_size && rc >= 0; offset += w->to.chunk) {
        sph_sums_verdict verdict = sph_sums_compare(&w->from, &w->to, offset, plan->zero);
        if (verdict == SPH_SUMS_DIFFER)
            rc = differ(w, o, offset);
        else if (verdict == SPH_SUMS_UNKNOWN)
            rc = compare_bytes(w, o, offset, offset + w->to.chunk);
    }
    return rc;
}
