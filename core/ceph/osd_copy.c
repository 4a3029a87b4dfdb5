/* A copy of an image at a snapshot that the OSDs make among themselves. One worker runs it, and starts a
 * thread for each object that is under way. */
#include "ceph/osd_copy.h"

#include "ceph/fail.h"
#include "ceph/osd_health.h"
#include "engine/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#define LOOK_UP_NS                                                                                           \
    50000000L          /* how often the worker sees to progress, cancellation and the number of threads */
#define CHECKPOINT 5.0 /* seconds between two entries into the target's map */
#define STACK ((size_t)512 << 10)
#define NOTHING UINT64_MAX

typedef struct copy copy;

typedef struct {
    copy *copy;
    pthread_t thread;
    bool running;
    uint64_t object; /* under the lock: the one under way */
    sph_carrier carrier;
} hand;

struct copy {
    sph_osd_copy_op *self;
    sph_osd_source source;
    sph_osd_target target;
    sph_osd_list list;
    sph_pace pace;
    sph_osd_plan plan;
    hand *hands; /* self->max_in_flight of them */
    unsigned count;
    pthread_mutex_t take; /* one at a time asks for the next object, and may wait for the listing */
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t change;
    uint64_t next; /* the first object that nobody took */
    uint64_t done; /* objects settled */
    unsigned at_work;
    sph_bits made;
    bool failed;
};

/* --- the hands ------------------------------------------------------------------------------------------ */

/* The next object for this hand; NOTHING at the end. */
static uint64_t take_object(hand *h) {
    copy *c = h->copy;
    pthread_mutex_lock(&c->take);
    pthread_mutex_lock(&c->lock);
    uint64_t from = c->next;
    pthread_mutex_unlock(&c->lock);
    int64_t n = sph_osd_list_next(&c->list, from);
    uint64_t objects = c->source.levels[0].layout.objects;
    pthread_mutex_lock(&c->lock);
    if (n < 0) {
        n = (int64_t)NOTHING;
    } else if ((uint64_t)n >= objects) {
        c->next = objects;
        n = (int64_t)NOTHING;
    } else {
        h->object = (uint64_t)n;
        c->next = (uint64_t)n + 1;
    }
    pthread_mutex_unlock(&c->lock);
    pthread_mutex_unlock(&c->take);
    return (uint64_t)n;
}

/* Under the lock. */
static void report(copy *c) {
    uint64_t size = c->source.levels[0].layout.object_size, total = sph_osd_list_total(&c->list);
    sph_op_progress(&c->self->op, c->done * size, (total > c->done ? total : c->done) * size);
}

static void settle(hand *h, uint64_t n, int rc) {
    copy *c = h->copy;
    pthread_mutex_lock(&c->lock);
    if (rc > 0 && sph_bits_add(&c->made, n, n + 1) < 0) {
        sph_ceph_no_memory(&c->self->op);
        rc = -ENOMEM;
    }
    if (rc < 0) {
        c->failed = true; /* and it stays under way: the watermark must not pass it */
    } else {
        h->object = NOTHING;
        c->done++;
        report(c);
    }
    pthread_mutex_unlock(&c->lock);
}

static void *work(void *context) {
    hand *h = context;
    copy *c = h->copy;
    while (sph_pace_enter(&c->pace)) {
        uint64_t n = take_object(h);
        int rc = 0;
        if (n != NOTHING) {
            rc = sph_osd_carry(&h->carrier, n);
            settle(h, n, rc);
        }
        sph_pace_leave(&c->pace);
        if (n == NOTHING || rc < 0) {
            sph_pace_close(&c->pace);
            break;
        }
    }
    pthread_mutex_lock(&c->lock);
    c->at_work--;
    pthread_cond_signal(&c->change);
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

/* As many threads as the window has room for; one that is there stays. */
static int start_hands(copy *c) {
    unsigned wanted = sph_pace_window(&c->pace);
    int rc = 0;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK);
    while (c->count < wanted && rc == 0) {
        hand *h = &c->hands[c->count];
        h->copy = c;
        h->object = NOTHING;
        h->carrier.plan = &c->plan;
        pthread_mutex_lock(&c->lock);
        rc = pthread_create(&h->thread, &attributes, work, h);
        if (rc == 0) {
            h->running = true;
            c->count++;
            c->at_work++;
        }
        pthread_mutex_unlock(&c->lock);
    }
    pthread_attr_destroy(&attributes);
    if (rc && !c->count) {
        c->failed = true;
        sph_op_fail(&c->self->op, sph_error_errno(rc, c->self->op.type->name, "no thread could be started"));
        return -rc;
    }
    return 0;
}

/* --- the worker ----------------------------------------------------------------------------------------- */

/* All objects below are settled. */
static uint64_t watermark_of(const copy *c) {
    uint64_t lowest = c->next;
    for (unsigned i = 0; i < c->count; i++)
        if (c->hands[i].object < lowest)
            lowest = c->hands[i].object;
    return lowest;
}

/* The lock is not held while the cluster is written to; so the set is copied out of first. */
static int checkpoint(copy *c) {
    const sph_osd_copy_op *self = c->self;
    const sph_place place = {.pool = self->pool, .image = c->target.name};
    pthread_mutex_lock(&c->lock);
    uint64_t watermark = watermark_of(c);
    sph_bits made;
    int rc = sph_bits_make(&made, c->made.size);
    for (uint64_t n = c->target.watermark; rc >= 0 && n < watermark;) {
        n = sph_bits_next(&c->made, n, watermark);
        uint64_t end = sph_bits_next_absent(&c->made, n, watermark);
        rc = sph_bits_add(&made, n, end);
        n = end;
    }
    pthread_mutex_unlock(&c->lock);
    if (rc >= 0 && watermark > c->target.watermark)
        rc = sph_osd_target_advance(&c->target, &c->source, &made, watermark);
    sph_bits_free(&made);
    return sph_ceph_check(&c->self->op, rc, &place, NULL, "cannot note in the target how far the copy got");
}

static void wait_a_little(copy *c) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += LOOK_UP_NS;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    pthread_mutex_lock(&c->lock);
    if (c->at_work)
        pthread_cond_timedwait(&c->change, &c->lock, &until);
    pthread_mutex_unlock(&c->lock);
}

static void stop(copy *c) {
    sph_pace_stop(&c->pace);
    sph_osd_list_stop(&c->list);
}

static bool is_over(copy *c) {
    pthread_mutex_lock(&c->lock);
    bool over = !c->at_work;
    bool failed = c->failed;
    pthread_mutex_unlock(&c->lock);
    if (failed)
        stop(c);
    return over;
}

/* Until every hand has come back. Those under way when it is stopped finish what they do. */
static void oversee(copy *c) {
    sph_op *op = &c->self->op;
    const sph_place place = sph_image_place(c->self->source);
    double noted = sph_now();
    bool stopped = start_hands(c) < 0;
    while (!is_over(c)) {
        wait_a_little(c);
        if (!stopped && sph_op_is_cancelled(op)) {
            stopped = true;
            sph_ceph_check(op, -ECANCELED, &place, NULL, "the copy was stopped");
            stop(c);
        }
        start_hands(c);
        if (!c->plan.compare_only && sph_now() - noted >= CHECKPOINT) {
            if (checkpoint(c) < 0)
                stop(c);
            noted = sph_now();
        }
    }
    for (unsigned i = 0; i < c->count; i++) {
        pthread_join(c->hands[i].thread, NULL);
        sph_free(c->hands[i].carrier.buffer);
    }
}

/* --- before and after ----------------------------------------------------------------------------------- */

static int prepare(copy *c) {
    sph_osd_copy_op *self = c->self;
    sph_op *op = &self->op;
    int rc = sph_osd_source_open(op, self->source, &c->source);
    if (rc < 0 || (rc = sph_osd_source_check(op, &c->source)) < 0)
        return rc;
    rc = sph_osd_target_open(op, self->pool, self->name, self->id, self->compare_only ? NULL : &c->source,
                             &c->target);
    if (rc < 0)
        return rc;
    const sph_place target = {.pool = self->pool, .image = c->target.name};
    if (strcmp(c->target.id, c->source.levels[0].id) == 0 &&
        self->pool->id == sph_image_pool(self->source)->id)
        return sph_ceph_fail(op, "EINVAL", EINVAL, &target, "an image cannot be copied to itself");
    if (self->compare_only && !sph_layout_same(&c->target.layout, &c->source.levels[0].layout))
        return sph_ceph_fail(op, "EINVAL", EINVAL, &target, "its objects are laid out in another way");
    if (self->compare_only && c->target.layout.size != c->source.levels[0].layout.size)
        return sph_ceph_fail(op, "verify.differs", EIO, &target, "its size is not that of the source");
    c->next = self->resumed_at = c->target.watermark;
    self->levels = c->source.depth;
    c->plan.zero = sph_sums_of_zeroes(
        c->target.layout.object_size < SPH_SUMS_CHUNK ? c->target.layout.object_size : SPH_SUMS_CHUNK);
    c->hands = sph_alloc(self->max_in_flight * sizeof *c->hands);
    if (!c->hands || sph_bits_make(&c->made, c->target.layout.objects) < 0)
        return sph_ceph_no_memory(op);
    return 0;
}

/* Copies, or compares, all that exists. */
static void carry_all(copy *c) {
    sph_osd_copy_op *self = c->self;
    sph_cluster *cluster = sph_pool_cluster(self->pool);
    unsigned osds = self->fixed ? 0 : sph_osd_health_osds(cluster);
    sph_osd_health health;
    sph_pace_begin(&c->pace, 4 * osds, self->max_in_flight, self->fixed, self->max_rate);
    if (sph_osd_list_begin(&self->op, &c->source, &c->list) >= 0) {
        sph_osd_health_begin(&health, &self->op, cluster, &c->pace, self->patience);
        oversee(c);
        self->paused = sph_osd_health_end(&health);
    }
    sph_osd_list_end(&c->list);
    self->widest = c->pace.widest;
    sph_pace_end(&c->pace);
}

static void settle_target(copy *c) {
    sph_osd_copy_op *self = c->self;
    const sph_place place = {.pool = self->pool, .image = c->target.name};
    if (atomic_load(&self->op.error) || sph_op_is_cancelled(&self->op)) {
        /* What was done by now need not be done again. */
        checkpoint(c);
        return;
    }
    if (sph_osd_source_check(&self->op, &c->source) < 0 || checkpoint(c) < 0)
        return;
    if (c->failed || c->target.watermark != c->target.layout.objects) {
        sph_ceph_fail(&self->op, "EIO", EIO, &place, "some objects were left out; the copy is not complete");
        return;
    }
    sph_ceph_check(&self->op, sph_osd_target_finish(&c->target), &place, NULL,
                   "all is copied, but the target cannot be cleared for use");
}

static void run(sph_op *op, bool compare_only) {
    sph_osd_copy_op *self = (sph_osd_copy_op *)op;
    self->compare_only = compare_only;
    copy *c = sph_alloc(sizeof *c);
    if (!c) {
        sph_ceph_no_memory(op);
        return;
    }
    c->self = self;
    c->plan = (sph_osd_plan){.op = op,
                             .source = &c->source,
                             .target = &c->target,
                             .list = &c->list,
                             .pace = &c->pace,
                             .tally = &self->tally,
                             .dense = self->dense,
                             .sparse = self->sparse,
                             .through_host = self->through_host,
                             .compare_only = compare_only,
                             .verify = self->verify};
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&c->take, NULL);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->change, &monotonic);
    pthread_condattr_destroy(&monotonic);

    double began = sph_now();
    if (prepare(c) >= 0) {
        carry_all(c);
        if (!compare_only)
            settle_target(c);
        else if (!atomic_load(&op->error))
            sph_osd_source_check(op, &c->source);
        self->objects = c->made.members;
        sph_op_progress(op, c->done * c->target.layout.object_size, c->done * c->target.layout.object_size);
    }
    self->seconds = sph_now() - began;

    sph_free(c->hands);
    sph_bits_free(&c->made);
    sph_osd_target_close(&c->target);
    sph_osd_source_close(&c->source);
    pthread_cond_destroy(&c->change);
    pthread_mutex_destroy(&c->take);
    pthread_mutex_destroy(&c->lock);
    sph_free(c);
}

void sph_osd_copy(sph_op *op) {
    run(op, false);
}

void sph_osd_verify(sph_op *op) {
    run(op, true);
}
