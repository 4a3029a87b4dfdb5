/* A snapshot that must not outlive its handle: made, protected, and removed again when the handle goes,
 * whichever way it goes: explicitly, at the end of a scope, by the collector, or when the engine ends.
 *
 * It is known by its id. One that was renamed is still found; another one that took its name is left alone;
 * one that is gone already counts as removed.
 *
 * No librbd handle stays open in between: an open writable handle would be a watcher on the source, in the
 * way of its owner. So the image's own handle may be read-only, and may be closed before the snapshot goes.
 *
 * Thread: workers. */
#ifndef SPH_CEPH_TEMPORARY_SNAPSHOT_H
#define SPH_CEPH_TEMPORARY_SNAPSHOT_H

#include "ceph/image.h"

#include <pthread.h>

typedef struct sph_temporary_snapshot {
    sph_object object; /* its parent is the pool */
    char *image, *image_id, *name;
    uint64_t id;
    bool is_protected;    /* by us */
    pthread_mutex_t lock; /* held while it is being removed */
    bool exists;
} sph_temporary_snapshot;

extern const sph_object_type sph_temporary_snapshot_type;

static inline sph_pool *sph_temporary_snapshot_pool(const sph_temporary_snapshot *snapshot) {
    return (sph_pool *)snapshot->object.parent;
}

/* Of that image; not made yet. `name` NULL: one of our own. NULL when memory is out. */
sph_temporary_snapshot *sph_temporary_snapshot_new(const sph_image *image, const char *name);

typedef struct {
    sph_op op;
    sph_temporary_snapshot *snapshot;
    bool protect;
    uint32_t flags; /* RBD_SNAP_CREATE_ */
} sph_temporary_snapshot_op;

void sph_temporary_snapshot_make(sph_op *op);
void sph_temporary_snapshot_release(sph_op *op);

typedef struct {
    sph_op op;
    sph_temporary_snapshot *snapshot;
} sph_temporary_snapshot_end_op;

/* Idempotent; what the object's shutdown does too, which fails in its own operation. */
void sph_temporary_snapshot_remove(sph_op *op);

#endif
