/* crc32c as Ceph computes it: any initial value, no final inversion.
 *
 * Thread: any. For small data: bit by bit, no tables. */
#ifndef SPH_CEPH_CRC32C_H
#define SPH_CEPH_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t sph_crc32c(uint32_t crc, const void *bytes, size_t size);
/* Of so many zeroes. */
uint32_t sph_crc32c_of_zeroes(uint32_t crc, size_t size);

#endif
