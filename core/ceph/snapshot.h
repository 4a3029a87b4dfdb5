/* Snapshots of an image.
 *
 * A snapshot of an image that another client writes to is requested from that client when the image has an
 * exclusive lock: it flushes, makes the snapshot and goes on. When that client does not answer, librbd breaks
 * its lock after about 30 s and has it blocklisted: a guest behind it dies. Without the exclusive-lock
 * feature the snapshot holds what was flushed last.
 *
 * Thread: workers. */
#ifndef SPH_CEPH_SNAPSHOT_H
#define SPH_CEPH_SNAPSHOT_H

#include "ceph/image.h"

typedef struct {
    sph_op op;
    sph_image *image;
    const char *name, *new_name;
    uint32_t flags; /* RBD_SNAP_CREATE_ */
    uint64_t id;    /* of the one made; remove: when there is no name */
    bool is_protected;
} sph_snapshot_op;

void sph_snapshot_create(sph_op *op);
void sph_snapshot_remove(sph_op *op);
void sph_snapshot_rename(sph_op *op);
void sph_snapshot_rollback(sph_op *op);
void sph_snapshot_protect(sph_op *op);
void sph_snapshot_unprotect(sph_op *op);
void sph_snapshot_is_protected(sph_op *op);

typedef struct {
    uint64_t id, size;
    char *name;
    int64_t created; /* seconds since the epoch */
    rbd_snap_namespace_type_t type;
    bool is_protected;
} sph_snapshot_info;

typedef struct {
    sph_op op;
    sph_image *image;
    sph_snapshot_info *list;
    size_t count;
} sph_snapshot_list_op;

/* Those there are now, also when the handle is read-only. */
void sph_snapshot_list(sph_op *op);
void sph_snapshot_list_release(sph_op *op);

/* "user", "group", "trash", "mirror" */
const char *sph_snapshot_type_name(rbd_snap_namespace_type_t type);

/* What a snapshot call that failed with rc leaves to be done; NULL for what is generally so. */
const char *sph_snapshot_advice(int rc);

#endif
