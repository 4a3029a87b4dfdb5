/* Checksums that the OSDs compute over an object, by chunks of 64 KiB: a few hundred bytes tell whether two
 * objects are equal, and which chunks are zero.
 *
 * crc32c as Ceph's `checksum` read operation has it: initial value -1, no final inversion. The primary reads
 * the bytes and checks them against what its store noted when they were written; other replicas are not read.
 *
 * Thread: any; all block. */
#ifndef SPH_CEPH_OSD_SUMS_H
#define SPH_CEPH_OSD_SUMS_H

#include <rados/librados.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SPH_SUMS_CHUNK ((uint64_t)64 << 10)
#define SPH_SUMS_MAX 512 /* the largest object of RBD has 32 MiB */

typedef struct {
    bool absent;
    uint64_t size; /* of the object; what lies beyond it is zero */
    uint64_t chunk;
    unsigned count; /* of whole chunks */
    uint32_t values[SPH_SUMS_MAX];
    uint32_t tail; /* the sum of what is left over; can be compared with that of an object of the same size */
} sph_sums;

/* An object that does not exist is `absent`, and no error. With its `expected` size rightly guessed it takes one
 * operation. 0 or a negative errno. */
int sph_sums_take(rados_ioctx_t io, const char *name, uint64_t object_size, uint64_t expected,
                  sph_sums *sums);
/* The sum of a chunk of zeroes. */
uint32_t sph_sums_of_zeroes(uint64_t chunk);
/* Bytes of chunks that are zero by their sum. */
uint64_t sph_sums_zeroes(const sph_sums *sums, uint32_t zero);

typedef enum { SPH_SUMS_EQUAL, SPH_SUMS_DIFFER, SPH_SUMS_UNKNOWN } sph_sums_verdict;
/* Whether [offset, offset + chunk) is equal in both, as far as the sums tell; what was not asked for counts
 * as equal; objects of different sizes may be equal, when the longer one ends with zeroes. */
sph_sums_verdict sph_sums_compare(const sph_sums *a, const sph_sums *b, uint64_t offset, uint32_t zero);

#endif
