/* A copy of one image's data into another, through this host, that can be stopped; and the hashes of that data, on the
 * way or instead.
 *
 * rbd_copy cannot: it ignores what its progress callback returns. This one reads what exists of the source
 * (parents included) in pieces of at most 4 MiB, several at once, leaves out runs of zeroes, and writes the
 * rest. It works between clusters. Memory: max_in_flight pieces, and one bit for each object of the source.
 *
 * What was not written stays as it is in the target, so the target must be new. Then it is, bit for bit, what
 * `rbd export` of the source gives.
 *
 * A digest needs the bytes in their order, holes as zeroes: pieces that come too early wait for it, and it bounds the
 * speed of the whole, holes included.
 *
 * Thread: one worker; librbd's callbacks only count and wake it. */
#ifndef SPH_CEPH_COPY_DATA_H
#define SPH_CEPH_COPY_DATA_H

#include "ceph/digest.h"
#include "ceph/image.h"

typedef struct {
    sph_op op;
    sph_image *source, *target; /* no target: it is only read, for the digest */
    sph_digest *digest;         /* or NULL; the operation owns it */
    unsigned max_in_flight;
    uint64_t sparse_size; /* a power of two; 0: zeroes are written like anything else */
    uint64_t max_rate;    /* bytes read per second; 0: no limit */
    uint64_t size, total, read, written, zeroes;
} sph_copy_data_op;

#define SPH_COPY_PIECE ((uint64_t)4 << 20)

void sph_copy_data(sph_op *op);
void sph_copy_data_release(sph_op *op);

#endif
