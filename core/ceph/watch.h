/* A watch on a RADOS object: whoever says a word about it (notify.h) is heard.
 *
 * librados calls back on a thread of its own, where the word is acknowledged and a flag posted to the loop. When the
 * connection to the OSD was lost, or the OSD forgot the watch, it is made anew by a worker; what was said in between
 * cannot be known, so that counts as a word too.
 *
 * Thread: the loop thread, but for what says otherwise. */
#ifndef SPH_CEPH_WATCH_H
#define SPH_CEPH_WATCH_H

#include "ceph/pool.h"

typedef struct {
    sph_object object; /* its parent is the pool */
    char *name;        /* of the object that is watched */
    uint64_t cookie;
    bool watching; /* workers, one at a time */
    bool heard;    /* a word that nobody has waited for so far */
    bool mending;  /* `again` is in flight */
    atomic_bool posted, lost;
    sph_post post;
    sph_op again;            /* embedded: makes the watch anew */
    sph_error *failure;      /* of `again`, while it is in flight: a worker's */
    sph_error *error;        /* it could not be made anew */
    struct sph_hear_op *ear; /* who waits, or NULL */
} sph_watch_object;

extern const sph_object_type sph_watch_object_type;

static inline sph_pool *sph_watch_pool(const sph_watch_object *watch) {
    return (sph_pool *)watch->object.parent;
}

/* Not watching yet. NULL when memory is out. */
sph_watch_object *sph_watch_object_new(sph_pool *pool, const char *name);

typedef struct {
    sph_op op;
    sph_watch_object *watch; /* made before the operation starts */
} sph_watch_open_op;

void sph_watch_open(sph_op *op); /* worker thread */
void sph_watch_open_release(sph_op *op);

/* Waits for a word. One at a time for each watch. */
typedef struct sph_hear_op {
    sph_op op;
    sph_watch_object *watch;
    sph_timer timer;
    double seconds; /* less than 0: for ever */
} sph_hear_op;

void sph_hear_start(sph_op *op);
void sph_hear_cancel(sph_op *op);

#endif
