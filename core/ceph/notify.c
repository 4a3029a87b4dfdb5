/* A word to everybody who watches an object. Workers run what is here. */
#include "ceph/notify.h"

#include "ceph/fail.h"
#include "engine/memory.h"

#include <errno.h>
#include <math.h>

void sph_notify_send(sph_op *op) {
    sph_notify_op *self = (sph_notify_op *)op;
    const sph_place place = {.pool = self->pool, .object = self->name};
    char *reply = NULL;
    size_t size = 0, answers = 0, silent = 0;
    struct notify_ack_t *acks = NULL;
    struct notify_timeout_t *timeouts = NULL;
    /* librados cuts it down to whole seconds, and the OSD takes 0 for its own 30. */
    uint64_t milliseconds = (uint64_t)ceil(self->timeout) * 1000;
    int rc = rados_notify2(self->pool->io, self->name, "", 0, milliseconds, &reply, &size);
    if (rc == -ETIMEDOUT) /* somebody was silent; the reply tells who was not */
        rc = 0;
    if (rc >= 0 && size)
        rc = rados_decode_notify_response(reply, size, &acks, &answers, &timeouts, &silent);
    rados_buffer_free(reply);
    if (sph_ceph_check(op, rc, &place, NULL, "cannot ask who watches it") < 0)
        return;
    self->answers = sph_alloc((answers + 1) * sizeof *self->answers);
    for (size_t i = 0; self->answers && i < answers; i++)
        self->answers[self->count++] = acks[i].notifier_id;
    rados_free_notify_response(acks, answers, timeouts);
    if (!self->answers)
        sph_ceph_no_memory(op);
}

void sph_notify_release(sph_op *op) {
    sph_notify_op *self = (sph_notify_op *)op;
    sph_free(self->answers);
    self->answers = NULL;
}
