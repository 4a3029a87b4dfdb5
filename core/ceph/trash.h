/* The trash of a pool: images that were put aside, by id.
 *
 * Thread: workers. */
#ifndef SPH_CEPH_TRASH_H
#define SPH_CEPH_TRASH_H

#include "ceph/image.h"

typedef struct {
    sph_op op;
    sph_pool *pool;
    const char *name; /* move: of the image; restore: the new name or NULL */
    const char *id;   /* restore, remove */
    uint64_t delay;   /* move: seconds until it may be removed without force */
    bool force;
    rbd_trash_image_info_t *list; /* strings are librbd's memory */
    size_t count;
} sph_trash_op;

void sph_trash_list(sph_op *op);
void sph_trash_release(sph_op *op);
void sph_trash_move(sph_op *op);
void sph_trash_restore(sph_op *op);
void sph_trash_remove(sph_op *op); /* stops when cancelled; can be repeated */

/* librbd removes an image by way of the trash. When it fails to write the trash's object, because the pool is
 * full and there was no such object yet, it says ENOENT, as if there were no image; and no image can be
 * removed to make room. After an ENOENT from it, this makes that (empty) object all the same. True when the
 * image is there and the call is worth repeating. */
bool sph_trash_prepare(const sph_pool *pool, const char *image);

/* Who put it there: "user", "mirroring", "migration", "removing", "user-parent" */
const char *sph_trash_source_name(rbd_trash_image_source_t source);

#endif
