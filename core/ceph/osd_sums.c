/* Checksums that the OSDs compute over an object. Any thread runs what is here. */
#include "ceph/osd_sums.h"

#include "ceph/crc32c.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <time.h>

uint32_t sph_sums_of_zeroes(uint64_t chunk) {
    return sph_crc32c_of_zeroes(~(uint32_t)0, (size_t)chunk);
}

/* The answer is a little-endian 32-bit count, then that many little-endian values. */
static int ask(rados_ioctx_t io, const char *name, uint64_t length, sph_sums *sums) {
    static const char initial[4] = {'\xff', '\xff', '\xff', '\xff'};
    uint32_t raw[SPH_SUMS_MAX + 1];
    int rc = rados_checksum(io, name, LIBRADOS_CHECKSUM_TYPE_CRC32C, initial, sizeof initial, (size_t)length,
                            0, (size_t)sums->chunk, (char *)raw, sizeof raw);
    if (rc < 0)
        return rc;
    sums->count = le32toh(raw[0]);
    if (sums->count != length / sums->chunk)
        return -EIO;
    for (unsigned i = 0; i < sums->count; i++)
        sums->values[i] = le32toh(raw[i + 1]);
    return 0;
}

/* The size first: the OSD refuses a length that goes beyond the object. */
int sph_sums_take(rados_ioctx_t io, const char *name, uint64_t object_size, sph_sums *sums) {
    time_t mtime;
    sums->absent = false;
    sums->count = 0;
    sums->size = 0;
    sums->chunk = object_size < SPH_SUMS_CHUNK ? object_size : SPH_SUMS_CHUNK;
    int rc = rados_stat(io, name, &sums->size, &mtime);
    if (rc == -ENOENT) {
        sums->absent = true;
        return 0;
    }
    if (rc >= 0 && sums->size > object_size)
        return -EFBIG;
    uint64_t length = sums->size / sums->chunk * sums->chunk;
    return rc >= 0 && length ? ask(io, name, length, sums) : rc;
}

uint64_t sph_sums_zeroes(const sph_sums *sums, uint32_t zero) {
    uint64_t bytes = 0;
    for (unsigned i = 0; i < sums->count; i++)
        if (sums->values[i] == zero)
            bytes += sums->chunk;
    return bytes;
}

sph_sums_verdict sph_sums_compare(const sph_sums *a, const sph_sums *b, uint64_t offset, uint32_t zero) {
    uint64_t i = offset / a->chunk;
    bool has_a = i < a->count, has_b = i < b->count;
    bool beyond_a = offset >= a->size, beyond_b = offset >= b->size;
    if (beyond_a && beyond_b)
        return SPH_SUMS_EQUAL;
    if ((has_a || beyond_a) && (has_b || beyond_b)) {
        uint32_t sum_a = has_a ? a->values[i] : zero, sum_b = has_b ? b->values[i] : zero;
        return sum_a == sum_b ? SPH_SUMS_EQUAL : SPH_SUMS_DIFFER;
    }
    return SPH_SUMS_UNKNOWN;
}
