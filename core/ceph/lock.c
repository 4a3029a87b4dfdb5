/* Advisory locks on objects. Worker threads run what is here. */
#include "ceph/lock.h"

#include "ceph/fail.h"
#include "engine/memory.h"

#include <errno.h>
#include <math.h>
#include <sys/time.h>

static sph_place place_of(const sph_lock_op *self) {
    return (sph_place){.pool = self->pool, .object = self->name};
}

void sph_lock_take(sph_op *op) {
    sph_lock_op *self = (sph_lock_op *)op;
    const sph_place place = place_of(self);
    double whole;
    double fraction = modf(self->duration, &whole);
    struct timeval duration = {.tv_sec = (time_t)whole, .tv_usec = (suseconds_t)(fraction * 1e6)};
    uint8_t flags = 0;
    if (self->renew)
        flags |= LIBRADOS_LOCK_FLAG_MAY_RENEW;
    if (self->must_renew)
        flags |= LIBRADOS_LOCK_FLAG_MUST_RENEW;
    struct timeval *until = self->duration > 0 ? &duration : NULL;
    int rc = self->shared ? rados_lock_shared(self->pool->io, self->name, self->lock, self->cookie, "",
                                              self->description, until, flags)
                          : rados_lock_exclusive(self->pool->io, self->name, self->lock, self->cookie,
                                                 self->description, until, flags);
    if (rc == -ENOENT) /* must_renew; a lock creates its object otherwise */
        sph_ceph_fail(op, "ENOENT", ENOENT, &place,
                      "the lock %s is not held any more: it expired or was broken", self->lock);
    else if (rc == -EEXIST)
        sph_ceph_fail(op, "EEXIST", EEXIST, &place,
                      "this client holds the lock %s already; renew = true extends it", self->lock);
    else
        sph_ceph_check(op, rc, &place, rc == -EBUSY ? "pool:lockers() tells who holds it" : NULL,
                       "cannot lock %s", self->lock);
}

void sph_lock_give(sph_op *op) {
    sph_lock_op *self = (sph_lock_op *)op;
    const sph_place place = place_of(self);
    int rc = rados_unlock(self->pool->io, self->name, self->lock, self->cookie);
    if (rc == -ENOENT)
        sph_ceph_fail(op, "ENOENT", ENOENT, &place, "this client does not hold the lock %s", self->lock);
    else
        sph_ceph_check(op, rc, &place, NULL, "cannot unlock %s", self->lock);
}

void sph_lock_break(sph_op *op) {
    sph_lock_op *self = (sph_lock_op *)op;
    const sph_place place = place_of(self);
    int rc = rados_break_lock(self->pool->io, self->name, self->lock, self->client, self->cookie);
    if (rc == -ENOENT)
        sph_ceph_fail(op, "ENOENT", ENOENT, &place, "%s does not hold the lock %s", self->client, self->lock);
    else
        sph_ceph_check(op, rc, &place, rc == -EINVAL ? "a client looks like client.4123" : NULL,
                       "cannot break the lock %s of %s", self->lock, self->client);
}

/* --- who holds it --------------------------------------------------------------------------------------- */

void sph_lock_holders(sph_op *op) {
    sph_lockers_op *self = (sph_lockers_op *)op;
    const sph_place place = {.pool = self->pool, .object = self->name};
    size_t sizes[4] = {1024, 1024, 1024, 1024};
    ssize_t rc;
    do { /* on ERANGE librados says how much it needs */
        sph_lock_holders_release(op);
        self->clients = sph_alloc(sizes[0]);
        self->cookies = sph_alloc(sizes[1]);
        self->addresses = sph_alloc(sizes[2]);
        self->tag = sph_alloc(sizes[3]);
        if (!self->clients || !self->cookies || !self->addresses || !self->tag) {
            sph_ceph_no_memory(op);
            return;
        }
        int exclusive = 0;
        rc = rados_list_lockers(self->pool->io, self->name, self->lock, &exclusive, self->tag, &sizes[3],
                                self->clients, &sizes[0], self->cookies, &sizes[1], self->addresses,
                                &sizes[2]);
        self->exclusive = exclusive != 0;
    } while (rc == -ERANGE && !sph_op_is_cancelled(op));
    if (rc == -ENOENT) /* no object, so no lock */
        rc = 0;
    if (sph_ceph_check(op, (int)rc, &place, NULL, "cannot ask who holds the lock %s", self->lock) >= 0)
        self->count = (size_t)rc;
}

void sph_lock_holders_release(sph_op *op) {
    sph_lockers_op *self = (sph_lockers_op *)op;
    sph_free(self->clients);
    sph_free(self->cookies);
    sph_free(self->addresses);
    sph_free(self->tag);
    self->clients = self->cookies = self->addresses = self->tag = NULL;
}
