/* A copy of one image's data into another, through this host, that can be stopped, and its hashes. One worker
 * thread runs it. */
#include "ceph/copy_data.h"

#include "ceph/extents.h"
#include "ceph/fail.h"
#include "engine/memory.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

/* Each byte is read once and written once, and by nobody else soon. */
#define ONCE (LIBRADOS_OP_FLAG_FADVISE_SEQUENTIAL | LIBRADOS_OP_FLAG_FADVISE_NOCACHE)

/* How often the worker looks up from waiting, to see whether it was cancelled or may start the next piece. */
#define LOOK_UP_NS 100000000

/* Zeroes hashed between two looks at whether it was cancelled. */
#define HOLE_STEP ((uint64_t)64 << 20)

typedef struct copy copy;

typedef struct piece {
    copy *copy;
    struct piece *next; /* in `settled` or `idle` */
    char *buffer;
    uint64_t offset;
    size_t length;
    struct piece *later; /* in `unhashed` */
    bool writing;
    bool busy;        /* a call of librbd is under way, or the next one about to be */
    bool unhashed;    /* the digest still wants it */
    bool came;        /* it was read */
    unsigned pending; /* under the lock: calls in flight, and one while more are being made */
    int64_t rc;       /* under the lock: of the read, or the first bad one of the writes */
} piece;

struct copy {
    sph_copy_data_op *op;
    rbd_image_t source, target;
    pthread_mutex_t lock;
    pthread_cond_t change;
    piece *pieces, *idle;
    piece *settled;                  /* under the lock */
    piece *unhashed, **unhashed_end; /* in order of offset */
    unsigned in_flight;
    unsigned char *map; /* one bit for each grain of the source: it may hold data */
    uint64_t grain, grains, size;
    uint64_t next; /* the first byte not looked at yet */
    uint64_t done;
    double next_start; /* when max_rate allows the next piece */
    bool stopping;
};

/* --- what exists ---------------------------------------------------------------------------------------- */

static int mark(uint64_t offset, uint64_t length, bool exists, void *context) {
    copy *c = context;
    if (sph_op_is_cancelled(&c->op->op))
        return -ECANCELED;
    if (!exists || !length)
        return 0;
    uint64_t last = (offset + length - 1) / c->grain;
    for (uint64_t g = offset / c->grain; g <= last && g < c->grains; g++)
        c->map[g / 8] |= (unsigned char)(1U << (g % 8));
    return 0;
}

static bool is_marked(const copy *c, uint64_t grain) {
    return c->map[grain / 8] & (1U << (grain % 8));
}

/* The grain is an object; with striping, a whole period of objects, since librbd then reports in terms of
 * those. */
static int find_grain(copy *c) {
    rbd_image_info_t info;
    uint64_t unit, count;
    int rc = rbd_stat(c->source, &info, sizeof info);
    if (rc >= 0)
        rc = rbd_get_stripe_unit(c->source, &unit);
    if (rc >= 0)
        rc = rbd_get_stripe_count(c->source, &count);
    if (rc < 0)
        return rc;
    bool striped = count > 1 || unit != info.obj_size;
    c->size = info.size;
    c->grain = striped ? info.obj_size * count : info.obj_size;
    c->grains = (c->size + c->grain - 1) / c->grain;
    return 0;
}

static int map_source(copy *c) {
    int rc = find_grain(c);
    if (rc < 0)
        return rc;
    c->map = sph_alloc(c->grains / 8 + 1);
    if (!c->map)
        return -ENOMEM;
    rc = sph_extents_each(c->source, NULL, 0, c->size, true, true, mark, c);
    for (uint64_t g = 0; g < c->grains && rc >= 0; g++)
        if (is_marked(c, g))
            c->op->total += g + 1 < c->grains ? c->grain : c->size - g * c->grain;
    return rc;
}

/* The next range that may hold data, at most one piece of it. False at the end. */
static bool next_range(copy *c, uint64_t *offset, size_t *length) {
    uint64_t g = c->next / c->grain;
    while (g < c->grains && !is_marked(c, g)) {
        g++;
        c->next = g * c->grain;
    }
    if (g >= c->grains || c->next >= c->size)
        return false;
    uint64_t end = (c->next / SPH_COPY_PIECE + 1) * SPH_COPY_PIECE;
    if (end > c->size)
        end = c->size;
    while ((g + 1) * c->grain < end && is_marked(c, g + 1))
        g++;
    if (end > (g + 1) * c->grain)
        end = (g + 1) * c->grain;
    *offset = c->next;
    *length = (size_t)(end - c->next);
    c->next = end;
    return true;
}

/* --- the end of a call ---------------------------------------------------------------------------------- */

static void settle(piece *p, int64_t rc) {
    copy *c = p->copy;
    pthread_mutex_lock(&c->lock);
    if (p->rc >= 0 && (rc < 0 || !p->writing))
        p->rc = rc;
    if (--p->pending == 0) {
        p->next = c->settled;
        c->settled = p;
        pthread_cond_signal(&c->change);
    }
    pthread_mutex_unlock(&c->lock);
}

static void call_done(rbd_completion_t completion, void *context) {
    ssize_t rc = rbd_aio_get_return_value(completion);
    rbd_aio_release(completion);
    settle(context, rc);
}

/* --- reading -------------------------------------------------------------------------------------------- */

static void fail(copy *c, int rc, const sph_image *image, const char *what, uint64_t at) {
    const sph_place place = sph_image_place(image);
    c->stopping = true;
    sph_ceph_check(&c->op->op, rc, &place, NULL, "cannot %s at %llu", what, (unsigned long long)at);
}

static void start_read(copy *c, piece *p) {
    p->writing = p->came = false;
    p->busy = true;
    p->pending = 1;
    p->rc = 0;
    c->in_flight++;
    if (c->op->digest) {
        p->unhashed = true;
        p->later = NULL;
        *c->unhashed_end = p;
        c->unhashed_end = &p->later;
    }
    rbd_completion_t completion;
    int rc = rbd_aio_create_completion(p, call_done, &completion);
    if (rc >= 0) {
        rc = rbd_aio_read2(c->source, p->offset, p->length, p->buffer, completion, ONCE);
        if (rc < 0)
            rbd_aio_release(completion);
    }
    if (rc < 0)
        settle(p, rc);
}

static bool may_start(const copy *c) {
    return !c->op->max_rate || sph_now() >= c->next_start;
}

static void start_reads(copy *c) {
    while (c->idle && !c->stopping && may_start(c)) {
        piece *p = c->idle;
        if (!next_range(c, &p->offset, &p->length))
            return;
        c->idle = p->next;
        if (c->op->max_rate) {
            double now = sph_now();
            c->next_start =
                (c->next_start > now ? c->next_start : now) + (double)p->length / (double)c->op->max_rate;
        }
        start_read(c, p);
    }
}

/* --- writing -------------------------------------------------------------------------------------------- */

static bool is_zero(const char *data, size_t size) {
    return data[0] == 0 && memcmp(data, data + 1, size - 1) == 0;
}

static void start_write(copy *c, piece *p, size_t from, size_t to) {
    pthread_mutex_lock(&c->lock);
    p->pending++;
    pthread_mutex_unlock(&c->lock);
    rbd_completion_t completion;
    int rc = rbd_aio_create_completion(p, call_done, &completion);
    if (rc >= 0) {
        rc = rbd_aio_write2(c->target, p->offset + from, to - from, p->buffer + from, completion, ONCE);
        if (rc < 0)
            rbd_aio_release(completion);
    }
    if (rc < 0)
        settle(p, rc);
    c->op->written += to - from;
}

/* Cuts the piece at runs of zeroes that fill whole blocks of the image. */
static void start_writes(copy *c, piece *p) {
    const uint64_t block = c->op->sparse_size;
    p->writing = true;
    p->pending = 1;
    size_t from = 0, to = 0; /* not written yet, and not zero */
    while (to < p->length && block) {
        uint64_t at = p->offset + to;
        size_t step = (size_t)(block - at % block);
        if (step > p->length - to)
            step = p->length - to;
        if (is_zero(p->buffer + to, step)) {
            if (to > from)
                start_write(c, p, from, to);
            c->op->zeroes += step;
            from = to + step;
        }
        to += step;
    }
    if (from < p->length)
        start_write(c, p, from, p->length);
    settle(p, 0);
}

/* --- hashing -------------------------------------------------------------------------------------------- */

static void recycle(copy *c, piece *p) {
    if (p->busy || p->unhashed)
        return;
    p->next = c->idle;
    c->idle = p;
}

static bool stop_if_cancelled(copy *c) {
    const sph_place place = sph_image_place(c->op->source);
    if (!c->stopping && sph_op_is_cancelled(&c->op->op)) {
        c->stopping = true;
        sph_ceph_check(&c->op->op, -ECANCELED, &place, NULL, "the copy was stopped");
    }
    return c->stopping;
}

static void hash_hole(copy *c, uint64_t end) {
    sph_digest *d = c->op->digest;
    while (d->length < end && !stop_if_cancelled(c)) {
        uint64_t left = end - d->length;
        sph_digest_add_zeroes(d, (size_t)(left < HOLE_STEP ? left : HOLE_STEP));
        sph_op_progress(&c->op->op, d->length, c->size);
    }
}

/* As far as the pieces that came reach without a gap. */
static void hash_what_came(copy *c) {
    while (c->unhashed && c->unhashed->came && !c->stopping) {
        piece *p = c->unhashed;
        hash_hole(c, p->offset);
        if (c->stopping)
            return;
        c->unhashed = p->later;
        if (!c->unhashed)
            c->unhashed_end = &c->unhashed;
        sph_digest_add(c->op->digest, p->buffer, p->length);
        sph_op_progress(&c->op->op, c->op->digest->length, c->size);
        p->unhashed = false;
        recycle(c, p);
    }
}

/* --- the pipeline --------------------------------------------------------------------------------------- */

static void piece_settled(copy *c, piece *p) {
    if (p->rc < 0) {
        const sph_image *image = p->writing ? c->op->target : c->op->source;
        fail(c, (int)p->rc, image, p->writing ? "write" : "read", p->offset);
    } else if (!p->writing && (size_t)p->rc != p->length) {
        c->stopping = true;
        const sph_place place = sph_image_place(c->op->source);
        sph_ceph_fail(&c->op->op, "ESTALE", ESTALE, &place, "it became smaller while it was copied");
    } else if (!p->writing) {
        c->op->read += p->length;
        p->came = true;
        if (!c->stopping && c->target) {
            start_writes(c, p);
            return;
        }
    } else {
        c->done += p->length;
        if (!c->op->digest)
            sph_op_progress(&c->op->op, c->done, c->op->total);
    }
    p->busy = false;
    c->in_flight--;
    recycle(c, p);
}

static piece *wait_for_change(copy *c) {
    pthread_mutex_lock(&c->lock);
    if (!c->settled) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += LOOK_UP_NS;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&c->change, &c->lock, &until);
    }
    piece *settled = c->settled;
    c->settled = NULL;
    pthread_mutex_unlock(&c->lock);
    return settled;
}

static void pump(copy *c) {
    sph_op_progress(&c->op->op, 0, c->op->digest ? c->size : c->op->total);
    start_reads(c);
    while (c->in_flight || (!c->stopping && c->next < c->size)) {
        piece *next;
        for (piece *p = wait_for_change(c); p; p = next) {
            next = p->next;
            piece_settled(c, p);
        }
        stop_if_cancelled(c);
        start_reads(c); /* before hashing, which takes long enough for them to come */
        hash_what_came(c);
        start_reads(c);
    }
}

static int make_pieces(copy *c) {
    unsigned count = c->op->max_in_flight;
    size_t size = (size_t)(c->size < SPH_COPY_PIECE ? c->size : SPH_COPY_PIECE);
    c->pieces = sph_alloc(count * sizeof *c->pieces);
    if (!c->pieces)
        return -ENOMEM;
    for (unsigned i = 0; i < count; i++) {
        piece *p = &c->pieces[i];
        p->copy = c;
        p->buffer = sph_alloc(size);
        if (!p->buffer)
            return -ENOMEM;
        p->next = c->idle;
        c->idle = p;
    }
    return 0;
}

/* Whether the source fits into the target. */
static bool has_room(copy *c) {
    sph_op *op = &c->op->op;
    const sph_place target = sph_image_place(c->op->target);
    uint64_t room;
    if (sph_ceph_check(op, rbd_get_size(c->target, &room), &target, NULL, "cannot ask for the size") < 0)
        return false;
    if (room < c->size)
        sph_ceph_fail(op, "EFBIG", EFBIG, &target, "it has %llu bytes and the source %llu; resize it first",
                      (unsigned long long)room, (unsigned long long)c->size);
    return room >= c->size;
}

static void copy_all(copy *c) {
    sph_op *op = &c->op->op;
    const sph_place source = sph_image_place(c->op->source);
    if (sph_ceph_check(op, map_source(c), &source, NULL, "cannot find out what exists") < 0)
        return;
    c->op->size = c->size;
    if (c->target && !has_room(c))
        return;
    if (c->op->total) {
        if (make_pieces(c) < 0) {
            sph_ceph_no_memory(op);
            return;
        }
        pump(c);
    }
    if (c->op->digest)
        hash_hole(c, c->size);
    if (!c->stopping && c->target) {
        const sph_place target = sph_image_place(c->op->target);
        sph_ceph_check(op, rbd_flush(c->target), &target, NULL, "cannot flush");
    }
}

void sph_copy_data(sph_op *op) {
    sph_copy_data_op *self = (sph_copy_data_op *)op;
    if (self->target && self->target->read_only) {
        const sph_place target = sph_image_place(self->target);
        sph_ceph_check(op, -EROFS, &target, NULL, "cannot copy to it");
        return;
    }
    copy c = {.op = self, .source = self->source->rbd, .target = self->target ? self->target->rbd : NULL};
    c.unhashed_end = &c.unhashed;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&c.lock, NULL);
    pthread_cond_init(&c.change, &monotonic);
    pthread_condattr_destroy(&monotonic);

    copy_all(&c);

    for (unsigned i = 0; c.pieces && i < self->max_in_flight; i++)
        sph_free(c.pieces[i].buffer);
    sph_free(c.pieces);
    sph_free(c.map);
    pthread_cond_destroy(&c.change);
    pthread_mutex_destroy(&c.lock);
}

void sph_copy_data_release(sph_op *op) {
    sph_digest_free(((sph_copy_data_op *)op)->digest);
}
