/* Images that come into being: created, cloned, copied; and those that end or get another name.
 *
 * Thread: workers. */
#ifndef SPH_CEPH_IMAGE_MAKE_H
#define SPH_CEPH_IMAGE_MAKE_H

#include "ceph/features.h"
#include "ceph/image.h"

typedef struct {
    sph_op op;
    sph_pool *pool; /* of the new image, or of the one that the call is about */
    const char *name;
    const char *new_name; /* rename */
    uint64_t size;        /* create */
    sph_image_options options;
    sph_image *source;    /* clone, copy, deep copy */
    const char *snapshot; /* clone */
    size_t sparse_size;   /* copy */
} sph_image_make_op;

void sph_image_create(sph_op *op);
void sph_image_clone(sph_op *op);

/* librbd asks no progress callback of either whether to go on: once begun they run to their end, and a
 * cancelled caller gets away only then. Whoever must be able to stop uses sph_copy_data. */
void sph_image_copy(sph_op *op);
void sph_image_deep_copy(sph_op *op);

/* Stops when cancelled; what is left of the image can be removed again. */
void sph_image_remove(sph_op *op);
void sph_image_rename(sph_op *op);

typedef struct {
    sph_op op;
    sph_pool *pool;
    rbd_image_spec_t *images; /* librbd's memory */
    size_t count;
} sph_image_list_op;

void sph_image_list(sph_op *op);
void sph_image_list_release(sph_op *op);

typedef struct {
    sph_op op;
    sph_pool *pool;
    char *names; /* one after the other */
    size_t size;
} sph_namespace_list_op;

/* The namespaces that RBD knows in the pool, whatever namespace `pool` is bound to. */
void sph_namespace_list(sph_op *op);
void sph_namespace_list_release(sph_op *op);

#endif
