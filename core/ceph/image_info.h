/* All that decides how an image can be copied, in one look.
 *
 * Thread: workers. */
#ifndef SPH_CEPH_IMAGE_INFO_H
#define SPH_CEPH_IMAGE_INFO_H

#include "ceph/image_state.h"

#define SPH_FIRST_BYTES 16

typedef struct {
    sph_op op;
    sph_image *image;
    uint64_t size, object_size, objects, features, flags, overlap, stripe_unit, stripe_count;
    int order;
    int64_t created; /* seconds since the epoch */
    char block_name_prefix[128];
    char data_pool[256]; /* "" when the data lies with the header */
    bool has_parent;
    rbd_linked_image_spec_t parent; /* librbd's memory */
    rbd_snap_spec_t parent_snapshot;
    char group[256], group_pool[256]; /* "" when it is in none */
    size_t first_size;                /* 0 when nothing could be read */
    char first_bytes[SPH_FIRST_BYTES];
    bool readable; /* the data: its pool may be another one than the header's */
    sph_watchers watchers;
    sph_lock_owner owner;
} sph_image_info_op;

void sph_image_info(sph_op *op);
void sph_image_info_release(sph_op *op);

/* "luks1", "luks2", the same with "-layered" for a clone that was formatted on its own (since Ceph 17), or
 * NULL. librbd keeps no note of encryption: the header within the data is all there is. */
const char *sph_encryption_of(const char *first_bytes, size_t size);

#endif
