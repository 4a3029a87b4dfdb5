/* Advisory locks on objects (class "lock"): leases, with a holder that can be read and broken.
 *
 * A lock with a duration expires by the OSD's clock; one without outlives the client that took it.
 *
 * Thread: workers. */
#ifndef SPH_CEPH_LOCK_H
#define SPH_CEPH_LOCK_H

#include "ceph/pool.h"

typedef struct {
    sph_op op;
    sph_pool *pool;
    const char *name; /* the object */
    const char *lock, *cookie, *description;
    const char *client; /* break: whose, as "client.4123" */
    double duration;    /* seconds; 0: until it is given back */
    bool shared, renew, must_renew;
} sph_lock_op;

void sph_lock_take(sph_op *op);
void sph_lock_give(sph_op *op);
void sph_lock_break(sph_op *op);

typedef struct {
    sph_op op;
    sph_pool *pool;
    const char *name, *lock;
    size_t count;
    bool exclusive;
    char *clients, *cookies, *addresses, *tag; /* `count` strings each, one after the other; the tag is one */
} sph_lockers_op;

void sph_lock_holders(sph_op *op);
void sph_lock_holders_release(sph_op *op);

#endif
