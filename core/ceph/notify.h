/* A word to everybody who watches an object, to see who answers.
 *
 * Said to the header of an image without a payload it is what librbd takes for "look at the header again":
 * harmless, and answered by every client that has the image open for writing and is alive.
 *
 * Thread: workers. */
#ifndef SPH_CEPH_NOTIFY_H
#define SPH_CEPH_NOTIFY_H

#include "ceph/pool.h"

typedef struct {
    sph_op op;
    sph_pool *pool;
    const char *name;  /* the object */
    double timeout;    /* seconds */
    uint64_t *answers; /* the ids of the clients that answered, "client.<id>" to people */
    size_t count;
} sph_notify_op;

void sph_notify_send(sph_op *op);
void sph_notify_release(sph_op *op);

#endif
