/* What exists of an image: which ranges hold data.
 *
 * By whole objects: from the object map when the image has fast-diff and the map is valid, else by asking the
 * OSDs object by object. A whole object counts though it may hold a few bytes only, so the sum is an upper
 * bound of what is allocated. By parts: the OSDs' snapshot lists always; what is reported is where an object
 * was written (for the difference from the beginning: from 0 to its size), not what is allocated either.
 *
 * Thread: workers. A cancelled operation stops within some thousand objects. */
#ifndef SPH_CEPH_EXTENTS_H
#define SPH_CEPH_EXTENTS_H

#include "ceph/image.h"

/* Called in order of offset, on whatever thread librbd likes; < 0 stops. exists = false: known to be a hole. Now
 * and then, and at the end, it is called with a length of 0, just to say how far the search is. */
typedef int sph_extent_call(uint64_t offset, uint64_t length, bool exists, void *context);

/* Calls `call` for what lies in [offset, offset + length), clipped to the image. Returns 0, what `call`
 * returned, or a negative errno. `from_snapshot` NULL: the difference from the beginning of time. */
int sph_extents_each(rbd_image_t rbd, const char *from_snapshot, uint64_t offset, uint64_t length,
                     bool include_parent, bool whole_object, sph_extent_call *call, void *context);

typedef struct {
    uint64_t offset, length;
    bool exists;
} sph_extent;

typedef struct {
    sph_op op;
    sph_image *image;
    const char *from_snapshot;
    uint64_t offset, length;
    bool include_parent, whole_object;
    sph_extent *list; /* neighbours of the same kind are one */
    size_t count, room;
    uint64_t size; /* of the image, for progress */
} sph_extents_op;

void sph_extents_list(sph_op *op);
void sph_extents_release(sph_op *op);

/* Bytes of the objects that exist. */
typedef struct {
    sph_op op;
    sph_image *image;
    bool include_parent;
    uint64_t bytes, size;
} sph_allocated_op;

void sph_extents_allocated(sph_op *op);

#endif
