/* One object of a copy, from start to end. The copy's own threads run what is here. */
#include "ceph/osd_carry.h"

#include "ceph/fail.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

/* What is skipped within bytes that pass through here: bluestore allocates no less. */
#define GRAIN ((size_t)4096)

/* After so many objects in a row that were whole, another one is expected. */
#define RUN 16

/* --- where it comes from -------------------------------------------------------------------------------- */

/* Of an object whose extents nobody tells: its sums, where these are needed anyway; else its size. */
static int probe_blindly(sph_carrier *w, sph_origin *o) {
    const sph_osd_plan *plan = w->plan;
    rados_ioctx_t data = o->level->data;
    uint64_t size = plan->target->layout.object_size;
    time_t mtime;
    if (plan->verify == SPH_VERIFY_NONE)
        return rados_stat(data, o->name, &w->map.end, &mtime);
    int rc = sph_sums_take(data, o->name, size, size, &w->from);
    o->summed = rc >= 0;
    return rc >= 0 && w->from.absent ? -ENOENT : rc;
}

/* Among dense objects the sums are asked for first. Without a chunk of zeroes in them the object is whole, and
 * its extents are of no interest: one operation less. 1 then; 0, or a negative errno. */
static int probe_by_sums(sph_carrier *w, sph_origin *o) {
    const sph_osd_plan *plan = w->plan;
    uint64_t size = plan->target->layout.object_size;
    if (plan->verify != SPH_VERIFY_CHECKSUM || atomic_load(&plan->dense_run) < RUN)
        return 0;
    int rc = sph_sums_take(o->level->data, o->name, size, size, &w->from);
    if (rc < 0)
        return rc;
    if (w->from.absent)
        return -ENOENT;
    o->summed = true;
    return w->from.size == size && sph_sums_zeroes(&w->from, plan->zero) == 0;
}

/* Whether the level has the object, and what is in it. 0 or a negative errno. */
static int probe(sph_carrier *w, sph_origin *o) {
    const sph_osd_plan *plan = w->plan;
    const sph_osd_level *level = o->level;
    uint64_t size = plan->target->layout.object_size;
    int rc = -EOPNOTSUPP;
    w->map = (sph_extent_map){.spans = w->spans, .room = SPH_CARRY_SPANS};
    o->mapped = o->summed = false;
    if (!atomic_load(&level->blind)) {
        rc = probe_by_sums(w, o);
        if (rc)
            return rc < 0 ? rc : 0;
        rc = sph_map_extents(level->data, o->name, size, &w->map);
    }
    o->mapped = rc >= 0;
    if (rc != -EOPNOTSUPP)
        return rc;
    atomic_store(&((sph_osd_level *)level)->blind, true);
    return probe_blindly(w, o);
}

/* The first level that has the object decides, also when the object is empty there: that hides the parent's.
 */
static int find_origin(sph_carrier *w, uint64_t n, sph_origin *o) {
    const sph_osd_source *source = w->plan->source;
    *o = (sph_origin){.n = n};
    sph_osd_object_name(o->target, w->plan->target->prefix, n);
    for (unsigned i = 0; i < source->depth; i++) {
        sph_cover cover = i ? sph_osd_level_covers(source, i, n) : SPH_COVERS_WHOLLY;
        if (cover == SPH_COVERS_NOT)
            break;
        if (cover == SPH_COVERS_PARTLY) {
            o->librbd = true;
            break;
        }
        o->level = &source->levels[i];
        sph_osd_object_name(o->name, o->level->prefix, n);
        unsigned tries = 0;
        int rc;
        do {
            rc = probe(w, o);
        } while (sph_carrier_try_again(w, rc, &tries));
        if (rc >= 0)
            return 0;
        if (rc != -ENOENT || sph_osd_list_exists(w->plan->list, i, n))
            return sph_carrier_fail(w, rc, o, false, "cannot look at");
        o->level = NULL;
    }
    return 0;
}

/* --- by the OSDs ---------------------------------------------------------------------------------------- */

static int copy_from(sph_carrier *w, const sph_origin *o, uint64_t bytes, const sph_extent_map *kept) {
    const sph_osd_plan *plan = w->plan;
    unsigned tries = 0;
    int rc;
    if (!sph_pace_bytes(plan->pace, bytes))
        return -ECANCELED;
    do {
        double began = sph_now();
        rc = sph_copy_from(plan->target->data, o->target, o->level->data, o->name, kept);
        if (rc >= 0)
            sph_pace_took(plan->pace, SPH_PACE_WHOLE, sph_now() - began);
    } while (sph_carrier_try_again(w, rc, &tries));
    /* Which side a refusal is about cannot be told; the rights on the source were proven before. */
    if (rc < 0)
        return sph_carrier_fail(w, rc, o, rc != -ENOENT, "cannot copy to");
    atomic_fetch_add(&plan->tally->copied, bytes);
    return 0;
}

/* Class rbd, sparsify(size of the smallest hole, remove an empty object). */
static int sparsify(sph_carrier *w, const sph_origin *o) {
    const sph_osd_plan *plan = w->plan;
    uint64_t grain = htole64(GRAIN);
    char in[9];
    unsigned tries = 0;
    int rc;
    memcpy(in, &grain, sizeof grain);
    in[8] = 1;
    do {
        double began = sph_now();
        rc = rados_exec(plan->target->data, o->target, "rbd", "sparsify", in, sizeof in, NULL, 0);
        if (rc >= 0)
            sph_pace_took(plan->pace, SPH_PACE_PART, sph_now() - began);
    } while (sph_carrier_try_again(w, rc, &tries));
    if (rc == -EOPNOTSUPP) /* an erasure-coded pool: the zeroes stay */
        atomic_store(&plan->target->solid, true);
    return rc >= 0 || rc == -ENOENT || rc == -EOPNOTSUPP
               ? 0
               : sph_carrier_fail(w, rc, o, true, "cannot sparsify");
}

/* --- through this host ---------------------------------------------------------------------------------- */

static bool is_zero(const char *bytes, size_t size) {
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0;
}

/* Adds what is not zero to the write. Returns how many bytes. */
static size_t add_data(rados_write_op_t write, const char *bytes, size_t size, uint64_t offset) {
    size_t from = 0, sum = 0;
    while (from < size) {
        size_t to = from, grain;
        while (to < size && (grain = size - to < GRAIN ? size - to : GRAIN, !is_zero(bytes + to, grain)))
            to += grain;
        if (to > from) {
            rados_write_op_write(write, bytes + from, to - from, offset + from);
            sum += to - from;
        }
        from = to < size ? to + (size - to < GRAIN ? size - to : GRAIN) : to;
    }
    return sum;
}

/* What one try took: librados empties an operation when it sends it, so that each try needs one of its own. */
static int try_to_write(const sph_carrier *w, const sph_origin *o, const sph_span *spans, size_t count,
                        const char *bytes, size_t *sum) {
    rados_write_op_t write = rados_create_write_op();
    if (!write)
        return -ENOMEM;
    *sum = 0;
    for (size_t i = 0; i < count; i++) {
        *sum += add_data(write, bytes, (size_t)spans[i].length, spans[i].offset);
        bytes += spans[i].length;
    }
    int rc = *sum ? rados_write_op_operate(write, w->plan->target->data, o->target, NULL, 0) : 0;
    rados_release_write_op(write);
    return rc;
}

/* Writes the bytes of these spans, one after the other, but for zeroes. 1 when there was any other, else 0. */
static int write_spans(sph_carrier *w, const sph_origin *o, const sph_span *spans, size_t count,
                       const char *bytes) {
    unsigned tries = 0;
    size_t sum;
    int rc;
    do {
        rc = try_to_write(w, o, spans, count, bytes, &sum);
    } while (sph_carrier_try_again(w, rc, &tries));
    if (rc < 0)
        return sph_carrier_fail(w, rc, o, true, "cannot write");
    atomic_fetch_add(&w->plan->tally->through_host, sum);
    atomic_fetch_add(&w->plan->tally->copied, sum);
    return sum > 0;
}

/* All extents in one read. */
static int try_to_read(const sph_carrier *w, const sph_origin *o, char *bytes) {
    size_t got[SPH_CARRY_SPANS] = {0};
    int each[SPH_CARRY_SPANS] = {0};
    rados_read_op_t read = rados_create_read_op();
    if (!read)
        return -ENOMEM;
    char *at = bytes;
    for (size_t i = 0; i < w->map.count; i++) {
        rados_read_op_read(read, w->spans[i].offset, (size_t)w->spans[i].length, at, &got[i], &each[i]);
        at += w->spans[i].length;
    }
    int rc = rados_read_op_operate(read, o->level->data, o->name, 0);
    rados_release_read_op(read);
    at = bytes;
    for (size_t i = 0; i < w->map.count && rc >= 0; i++) {
        size_t size = (size_t)w->spans[i].length;
        rc = each[i];
        if (rc >= 0)
            memset(at + got[i], 0, size - got[i]); /* the object ends within its last extent */
        at += size;
    }
    return rc;
}

static int copy_thin(sph_carrier *w, const sph_origin *o) {
    const sph_osd_plan *plan = w->plan;
    char *bytes = sph_carrier_buffer(w);
    if (!bytes)
        return -ENOMEM;
    if (!sph_pace_bytes(plan->pace, w->map.bytes))
        return -ECANCELED;
    double began = sph_now();
    unsigned tries = 0;
    int rc;
    do {
        rc = try_to_read(w, o, bytes);
    } while (sph_carrier_try_again(w, rc, &tries));
    if (rc < 0)
        return sph_carrier_fail(w, rc, o, false, "cannot read");
    atomic_fetch_add(&plan->tally->through_host, w->map.bytes);
    rc = write_spans(w, o, w->spans, w->map.count, bytes);
    sph_pace_took(plan->pace, SPH_PACE_PART, sph_now() - began);
    return rc;
}

static int copy_librbd(sph_carrier *w, const sph_origin *o) {
    const sph_osd_plan *plan = w->plan;
    uint64_t size = plan->target->layout.object_size;
    char *bytes = sph_carrier_buffer(w);
    bool made = false;
    if (!bytes)
        return -ENOMEM;
    for (uint64_t offset = 0; offset < size;) {
        size_t part = size - offset < SPH_CARRY_BUFFER ? (size_t)(size - offset) : SPH_CARRY_BUFFER;
        if (!sph_pace_bytes(plan->pace, part))
            return -ECANCELED;
        int rc = sph_origin_read(w, o, offset, part, bytes);
        if (rc < 0)
            return sph_carrier_fail(w, rc, o, false, "cannot read through librbd");
        atomic_fetch_add(&plan->tally->through_host, part);
        rc = write_spans(w, o, &(sph_span){.offset = offset, .length = part}, 1, bytes);
        if (rc < 0)
            return rc;
        made |= rc > 0;
        offset += part;
    }
    return made;
}

/* --- the whole of it ------------------------------------------------------------------------------------ */

/* Whether so many bytes of data make an object of that length dense enough to leave the rest as zeroes. */
static bool is_dense(const sph_osd_plan *plan, uint64_t data, uint64_t length) {
    return (double)data >= plan->dense * (double)length;
}

static bool is_thin(const sph_carrier *w) {
    const sph_osd_plan *plan = w->plan;
    return plan->through_host && w->map.count <= SPH_CARRY_SPANS && w->map.bytes <= SPH_CARRY_BUFFER &&
           (double)w->map.bytes <= plan->sparse * (double)plan->target->layout.object_size;
}

/* Of an object whose extents are known, and are not all of it. */
static sph_osd_way choose_with_holes(const sph_carrier *w, sph_osd_way squeezed) {
    if (is_thin(w))
        return SPH_WAY_THIN;
    if (w->map.count <= SPH_CARRY_SPANS)
        return SPH_WAY_PUNCHED;
    return is_dense(w->plan, w->map.bytes, w->map.end) ? SPH_WAY_WHOLE : squeezed;
}

static sph_osd_way choose(sph_carrier *w, const sph_origin *o) {
    const sph_osd_plan *plan = w->plan;
    sph_osd_way squeezed = atomic_load(&plan->target->solid) ? SPH_WAY_WHOLE : SPH_WAY_SQUEEZED;
    if (o->librbd)
        return SPH_WAY_LIBRBD;
    if (!o->level || (o->mapped && !w->map.count) || (o->summed && !w->from.size))
        return SPH_WAY_NONE;
    if (o->mapped && w->map.bytes < w->map.end)
        return choose_with_holes(w, squeezed);
    if (o->summed && !is_dense(plan, w->from.size - sph_sums_zeroes(&w->from, plan->zero), w->from.size))
        return squeezed;
    return SPH_WAY_WHOLE;
}

static int copy(sph_carrier *w, const sph_origin *o, sph_osd_way way) {
    uint64_t bytes = o->summed ? w->from.size : w->map.end;
    const sph_osd_plan *plan = w->plan;
    int rc;
    switch (way) {
    case SPH_WAY_LIBRBD:
        if (!plan->through_host)
            return sph_carrier_fail(w, -EOPNOTSUPP, o, true, "only this host could copy");
        return copy_librbd(w, o);
    case SPH_WAY_THIN:
        return copy_thin(w, o);
    case SPH_WAY_SQUEEZED:
        rc = copy_from(w, o, bytes, NULL);
        return rc < 0 ? rc : sparsify(w, o);
    case SPH_WAY_PUNCHED:
    case SPH_WAY_WHOLE:
        rc = copy_from(w, o, bytes, way == SPH_WAY_PUNCHED ? &w->map : NULL);
        return rc < 0 ? rc : 1;
    default:
        return 0;
    }
}

/* Sparsifying removes an object of nothing but zeroes. */
static int is_present(sph_carrier *w, const sph_origin *o) {
    uint64_t size;
    time_t mtime;
    unsigned tries = 0;
    int rc;
    do {
        rc = rados_stat(w->plan->target->data, o->target, &size, &mtime);
    } while (sph_carrier_try_again(w, rc, &tries));
    if (rc == -ENOENT)
        return 0;
    return rc < 0 ? sph_carrier_fail(w, rc, o, true, "cannot look at") : 1;
}

int sph_osd_carry(sph_carrier *w, uint64_t n) {
    sph_osd_plan *plan = w->plan;
    sph_origin o;
    int rc = find_origin(w, n, &o);
    if (rc < 0)
        return rc;
    /* The sums of the source, needed later anyway, tell first what is zero though it takes space. */
    bool take_sums =
        plan->verify == SPH_VERIFY_CHECKSUM && o.level && !o.summed && (!o.mapped || w->map.count);
    sph_osd_way way = choose(w, &o);
    if (take_sums && way == SPH_WAY_WHOLE) {
        rc = sph_carrier_sums(w, o.level->data, o.name, w->map.end, &w->from);
        if (rc < 0 || w->from.absent)
            return sph_carrier_fail(w, rc < 0 ? rc : -ENOENT, &o, false, "cannot ask for the checksums of");
        o.summed = true;
        way = choose(w, &o);
    }
    if (way == SPH_WAY_WHOLE)
        atomic_fetch_add(&plan->dense_run, 1);
    else
        atomic_store(&plan->dense_run, 0);
    bool present = false;
    if (!plan->compare_only) {
        rc = copy(w, &o, way);
        if (rc < 0)
            return rc;
        present = rc > 0;
        atomic_fetch_add(&plan->tally->ways[way], 1);
        if (way == SPH_WAY_SQUEEZED && plan->verify == SPH_VERIFY_NONE && (rc = is_present(w, &o)) < 0)
            return rc;
        if (way == SPH_WAY_SQUEEZED && plan->verify == SPH_VERIFY_NONE)
            present = rc > 0;
    }
    if (plan->verify == SPH_VERIFY_NONE || (way == SPH_WAY_NONE && !plan->compare_only))
        return present;
    rc = sph_osd_compare(w, &o, &present);
    return rc < 0 ? rc : present;
}
