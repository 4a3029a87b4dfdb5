/* A watch on a RADOS object. */
#include "ceph/watch.h"

#include "ceph/fail.h"
#include "engine/engine.h"
#include "engine/memory.h"

#include <errno.h>
#include <stdio.h>

/* The OSD forgets a watch that was silent for so long. */
#define TIMEOUT 30

static sph_watch_object *of_post(sph_post *post) {
    return (sph_watch_object *)((char *)post - offsetof(sph_watch_object, post));
}

static sph_watch_object *of_again(sph_op *op) {
    return (sph_watch_object *)((char *)op - offsetof(sph_watch_object, again));
}

/* --- librados' thread ----------------------------------------------------------------------------------- */

static void post(sph_watch_object *watch) {
    if (!atomic_exchange(&watch->posted, true))
        sph_loop_post(sph_engine_loop(watch->object.engine), &watch->post);
}

static void on_word(void *arg, uint64_t notify_id, uint64_t cookie, uint64_t from, void *data,
                    size_t length) {
    (void)from, (void)data, (void)length;
    sph_watch_object *watch = arg;
    /* In this order: once the notifier has its answer, the word counts as heard. */
    post(watch);
    rados_notify_ack(sph_watch_pool(watch)->io, watch->name, notify_id, cookie, NULL, 0);
}

static void on_loss(void *arg, uint64_t cookie, int error) {
    (void)cookie, (void)error;
    sph_watch_object *watch = arg;
    atomic_store(&watch->lost, true);
    post(watch);
}

/* --- worker threads ------------------------------------------------------------------------------------- */

static int make(sph_watch_object *watch) {
    int rc = rados_watch3(sph_watch_pool(watch)->io, watch->name, &watch->cookie, on_word, on_loss, TIMEOUT,
                          watch);
    watch->watching = rc >= 0;
    return rc;
}

/* After it no callback runs any more, nor will one. */
static void stop(sph_watch_object *watch) {
    if (!watch->watching)
        return;
    rados_unwatch2(sph_watch_pool(watch)->io, watch->cookie);
    rados_watch_flush(sph_pool_cluster(sph_watch_pool(watch))->rados);
    watch->watching = false;
}

static int check(sph_op *op, const sph_watch_object *watch, int rc) {
    const sph_place place = {.pool = sph_watch_pool(watch), .object = watch->name};
    return sph_ceph_check(op, rc, &place, NULL, "cannot watch it");
}

void sph_watch_open(sph_op *op) {
    sph_watch_object *watch = ((sph_watch_open_op *)op)->watch;
    check(op, watch, make(watch));
}

static void run_again(sph_op *op) {
    sph_watch_object *watch = of_again(op);
    stop(watch);
    check(op, watch, make(watch));
    watch->failure = atomic_exchange(&op->error, NULL); /* which does not outlive the operation */
}

/* --- the loop thread ------------------------------------------------------------------------------------ */

static void end(sph_hear_op *ear) {
    ear->watch->ear = NULL;
    if (ear->timer.slot)
        sph_timer_stop(sph_engine_loop(ear->op.engine), &ear->timer);
    sph_op_complete(&ear->op);
}

static void tell(sph_watch_object *watch) {
    if (!watch->ear)
        return;
    if (watch->error) {
        sph_op_fail(&watch->ear->op, watch->error);
        watch->error = NULL;
    }
    end(watch->ear);
}

static void release_again(sph_op *op) {
    sph_watch_object *watch = of_again(op);
    watch->mending = false;
    watch->error = watch->failure;
    watch->failure = NULL;
    watch->heard = true;
    tell(watch);
    if (atomic_load(&watch->lost) && watch->object.refs) /* else it is being closed */
        post(watch);
}

static const sph_op_type again_type = {.name = "rados.watch",
                                       .flags = SPH_OP_SHIELDED | SPH_OP_EMBEDDED,
                                       .run = run_again,
                                       .release = release_again};

static void mend(sph_watch_object *watch) {
    atomic_store(&watch->lost, false);
    watch->mending = true;
    sph_error_free(watch->error);
    watch->error = NULL;
    watch->again = (sph_op){0};
    sph_op_use(&watch->again, &watch->object);
    sph_op_launch(&watch->again, watch->object.engine, &again_type);
}

static void on_post(sph_post *posted) {
    sph_watch_object *watch = of_post(posted);
    atomic_store(&watch->posted, false);
    /* One that is being closed has nobody who could want to know. */
    if (!watch->object.refs)
        return;
    if (atomic_load(&watch->lost)) {
        if (!watch->mending)
            mend(watch);
        return;
    }
    watch->heard = true;
    tell(watch);
}

static void time_over(sph_timer *timer) {
    tell(((sph_hear_op *)((char *)timer - offsetof(sph_hear_op, timer)))->watch);
}

void sph_hear_start(sph_op *op) {
    sph_hear_op *self = (sph_hear_op *)op;
    sph_watch_object *watch = self->watch;
    watch->ear = self;
    if (watch->heard || watch->error) {
        tell(watch);
        return;
    }
    self->timer.fire = time_over;
    if (self->seconds >= 0 &&
        sph_op_check(op, sph_timer_start(sph_engine_loop(op->engine), &self->timer, self->seconds),
                     "no timer") < 0)
        tell(watch);
}

void sph_hear_cancel(sph_op *op) {
    sph_hear_op *self = (sph_hear_op *)op;
    if (self->watch->ear != self)
        return; /* it has ended already */
    sph_op_check(op, -ECANCELED, "woken");
    end(self);
}

/* --- the object ----------------------------------------------------------------------------------------- */

static void shut_down(sph_object *object) {
    stop((sph_watch_object *)object);
}

static void destroy(sph_object *object) {
    sph_watch_object *watch = (sph_watch_object *)object;
    sph_error_free(watch->error);
    sph_free(watch->name);
}

static void describe(const sph_object *object, char *buffer, size_t size) {
    const sph_watch_object *watch = (const sph_watch_object *)object;
    snprintf(buffer, size, "%s/%s", sph_watch_pool(watch)->name, watch->name);
}

const sph_object_type sph_watch_object_type = {
    .name = "siphon.rados.Watch", .shutdown = shut_down, .destroy = destroy, .describe = describe};

sph_watch_object *sph_watch_object_new(sph_pool *pool, const char *name) {
    sph_watch_object *watch =
        sph_object_new(pool->object.engine, &sph_watch_object_type, sizeof *watch, &pool->object);
    if (!watch)
        return NULL;
    watch->post.run = on_post;
    watch->name = sph_strdup(name);
    if (watch->name)
        return watch;
    sph_object_unref(&watch->object);
    return NULL;
}

void sph_watch_open_release(sph_op *op) {
    sph_watch_open_op *self = (sph_watch_open_op *)op;
    if (self->watch)
        sph_object_unref(&self->watch->object);
}
