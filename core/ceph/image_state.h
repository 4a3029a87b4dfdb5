/* What surrounds an image: who has it open, who holds its lock, what was cloned from it, its metadata.
 *
 * Thread: workers. */
#ifndef SPH_CEPH_IMAGE_STATE_H
#define SPH_CEPH_IMAGE_STATE_H

#include "ceph/image.h"

typedef struct {
    rbd_image_watcher_t *list; /* addresses are librbd's memory */
    size_t count;
} sph_watchers;

/* 0 or a negative errno. */
int sph_watchers_read(rbd_image_t rbd, sph_watchers *watchers);
void sph_watchers_free(sph_watchers *watchers);

typedef struct {
    char address[160]; /* "" when nobody holds it */
    char client[64];
    bool exclusive; /* as opposed to shared */
    bool automatic; /* taken by librbd for the exclusive-lock feature, not by a user (`rbd lock add`) */
} sph_lock_owner;

/* Of several that share it, the first. 0 or a negative errno. */
int sph_lock_owner_read(const sph_image *image, sph_lock_owner *owner);

typedef struct {
    sph_op op;
    sph_image *image;
    sph_watchers watchers;
    sph_lock_owner owner;
} sph_image_users_op;

void sph_image_watchers(sph_op *op);
void sph_image_lock_owner(sph_op *op);
void sph_image_users_release(sph_op *op);

typedef struct {
    sph_op op;
    sph_image *image;
    const char *snapshot; /* NULL: of all */
    rbd_linked_image_spec_t *list;
    size_t count;
} sph_image_children_op;

void sph_image_children(sph_op *op);
void sph_image_children_release(sph_op *op);

typedef struct {
    sph_op op;
    sph_image *image;
    char *keys, *values; /* `count` strings each, one after the other */
    size_t count;
} sph_image_metadata_op;

void sph_image_metadata(sph_op *op);
void sph_image_metadata_release(sph_op *op);
void sph_image_metadata_set(sph_op *op);    /* of an sph_image_op: name, value */
void sph_image_metadata_remove(sph_op *op); /* of an sph_image_op: name */

#endif
