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

/* An answer is a little-endian 32-bit count, then that many little-endian values. */
static int take_answer(const uint32_t *raw, size_t count, uint32_t *values) {
    if (le32toh(raw[0]) != count)
        return -EIO;
    for (size_t i = 0; i < count; i++)
        values[i] = le32toh(raw[i + 1]);
    return 0;
}

/* Asks for the size, and for the sums as if the object had `size` bytes: of whole chunks, and of what is left
 * over. One operation. What goes beyond the object's end is refused with EINVAL, or in an erasure-coded pool answered for
 * less: so nothing is taken unless the size is right. */
static int ask(rados_ioctx_t io, const char *name, uint64_t size, sph_sums *sums) {
    static const char initial[4] = {'\xff', '\xff', '\xff', '\xff'};
    const rados_checksum_type_t crc = LIBRADOS_CHECKSUM_TYPE_CRC32C;
    uint32_t raw[SPH_SUMS_MAX + 1] = {0}, raw_tail[2] = {0};
    size_t chunks = (size_t)(size / sums->chunk), tail = (size_t)(size % sums->chunk);
    uint64_t end = chunks * sums->chunk;
    int looked = 0, each = 0, last = 0;
    time_t mtime;
    rados_read_op_t read = rados_create_read_op();
    if (!read)
        return -ENOMEM;
    rados_read_op_stat(read, &sums->size, &mtime, &looked);
    if (chunks)
        rados_read_op_checksum(read, crc, initial, sizeof initial, 0, end, (size_t)sums->chunk, (char *)raw,
                               sizeof raw, &each);
    if (tail)
        rados_read_op_checksum(read, crc, initial, sizeof initial, end, tail, 0, (char *)raw_tail,
                               sizeof raw_tail, &last);
    int rc = rados_read_op_operate(read, io, name, 0);
    rados_release_read_op(read);
    if (rc >= 0)
        rc = looked < 0 ? looked : each < 0 ? each : last;
    if (rc >= 0 && sums->size != size)
        chunks = tail = 0;
    if (rc >= 0 && chunks)
        rc = take_answer(raw, chunks, sums->values);
    if (rc >= 0 && tail)
        rc = take_answer(raw_tail, 1, &sums->tail);
    sums->count = rc >= 0 ? (unsigned)chunks : 0;
    return rc < 0 ? rc : 0;
}

/* Most objects have the size that was expected, and cost one operation. */
int sph_sums_take(rados_ioctx_t io, const char *name, uint64_t object_size, uint64_t expected,
                  sph_sums *sums) {
    sums->absent = false;
    sums->size = 0;
    sums->chunk = object_size < SPH_SUMS_CHUNK ? object_size : SPH_SUMS_CHUNK;
    int rc = ask(io, name, expected, sums);
    if (rc == -EINVAL && expected)
        rc = ask(io, name, expected = 0, sums);
    if (rc >= 0 && sums->size > object_size)
        return -EFBIG;
    if (rc >= 0 && sums->size != expected)
        rc = ask(io, name, sums->size, sums);
    if (rc == -ENOENT) {
        sums->absent = true;
        sums->count = 0;
        sums->size = 0;
        rc = 0;
    }
    return rc;
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
    if (!has_a && !has_b && a->size == b->size)
        return a->tail == b->tail ? SPH_SUMS_EQUAL : SPH_SUMS_DIFFER;
    if ((has_a || beyond_a) && (has_b || beyond_b)) {
        uint32_t sum_a = has_a ? a->values[i] : zero, sum_b = has_b ? b->values[i] : zero;
        return sum_a == sum_b ? SPH_SUMS_EQUAL : SPH_SUMS_DIFFER;
    }
    return SPH_SUMS_UNKNOWN;
}
