/* From Ceph's return codes to errors that say where it happened and what to do.
 *
 * Thread: any. */
#ifndef SPH_CEPH_FAIL_H
#define SPH_CEPH_FAIL_H

#include "ceph/image.h"

/* What a call was about. Left out: NULL. */
typedef struct {
    const sph_cluster *cluster; /* follows from the pool */
    const sph_pool *pool;
    const char *image, *snapshot, *object;
} sph_place;

sph_place sph_image_place(const sph_image *image);

/* When rc < 0, op fails with the error for rc: "<what>: <text of the errno>; <advice>". NULL as advice stands
 * for what is generally to be done about that errno. Returns rc. */
int sph_ceph_check(sph_op *op, int rc, const sph_place *place, const char *advice, const char *what, ...)
    SPH_PRINTF(5, 6);

/* op fails with an error of a code of its own, of the kind of errnum (may be 0). Returns -errnum. */
int sph_ceph_fail(sph_op *op, const char *code, int errnum, const sph_place *place, const char *fmt, ...)
    SPH_PRINTF(5, 6);

/* op fails for want of memory. Returns -ENOMEM. */
int sph_ceph_no_memory(sph_op *op);

#endif
