/* crc32c as Ceph computes it. */
#include "ceph/crc32c.h"

#define POLYNOMIAL 0x82f63b78U /* Castagnoli's, reflected */

static uint32_t byte_passed(uint32_t crc) {
    for (int bit = 0; bit < 8; bit++)
        crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
    return crc;
}

uint32_t sph_crc32c(uint32_t crc, const void *bytes, size_t size) {
    const unsigned char *b = bytes;
    for (size_t i = 0; i < size; i++)
        crc = byte_passed(crc ^ b[i]);
    return crc;
}

uint32_t sph_crc32c_of_zeroes(uint32_t crc, size_t size) {
    for (size_t i = 0; i < size; i++)
        crc = byte_passed(crc);
    return crc;
}
