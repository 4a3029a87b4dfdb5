/* Object maps, as they lie in RADOS. Workers run what is here. */
#include "ceph/osd_map.h"

#include "ceph/crc32c.h"
#include "engine/memory.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define BLOCK ((size_t)4096)
#define PER_BLOCK (BLOCK * 4)
#define PIECE ((size_t)64 << 10)
#define NAME 192

/* So many ranges of a block are left to the class. */
#define FEW 2

static uint32_t get32(const unsigned char *at) {
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return le32toh(value);
}

static uint64_t get64(const unsigned char *at) {
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return le64toh(value);
}

static int read_all(rados_ioctx_t io, const char *name, unsigned char *bytes, size_t size, uint64_t offset) {
    int rc = rados_read(io, name, (char *)bytes, size, offset);
    return rc < 0 ? rc : (size_t)rc < size ? -EBADMSG : 0;
}

/* The number of objects of a map of the format that is known here, else 0. */
static uint64_t read_format(rados_ioctx_t io, const char *name) {
    unsigned char header[SPH_MAP_HEADER], footer[12];
    if (read_all(io, name, header, sizeof header, 0) < 0)
        return 0;
    if (get32(header) != SPH_MAP_HEADER - 4 || header[4] != 1 || header[5] != 1 || get32(header + 6) != 8)
        return 0;
    uint64_t objects = get64(header + 10), size = (objects + 3) / 4, blocks = (size + BLOCK - 1) / BLOCK;
    if (objects > (uint64_t)1 << 40 || read_all(io, name, footer, sizeof footer, SPH_MAP_HEADER + size) < 0)
        return 0;
    bool known = get32(footer) == 8 + 4 * blocks && get32(footer + 8) == blocks &&
                 get32(footer + 4) == sph_crc32c(0, header + 4, sizeof header - 4);
    return known ? objects : 0;
}

int sph_map_each(rados_ioctx_t io, const char *id, uint64_t snapshot_id, uint64_t objects, sph_map_call *call,
                 void *context) {
    char name[NAME];
    int length = snprintf(name, sizeof name, "rbd_object_map.%s", id);
    if (snapshot_id != LIBRADOS_SNAP_HEAD)
        snprintf(name + length, sizeof name - (size_t)length, ".%016" PRIx64, snapshot_id);
    if (objects && read_format(io, name) < objects)
        return -EOPNOTSUPP;
    unsigned char *states = sph_alloc(PIECE);
    int rc = states ? 0 : -ENOMEM;
    for (uint64_t n = 0; n < objects && rc >= 0;) {
        uint64_t left = (objects - n + 3) / 4;
        size_t size = left < PIECE ? (size_t)left : PIECE;
        rc = read_all(io, name, states, size, SPH_MAP_HEADER + n / 4);
        if (rc >= 0)
            rc = call(states, size, n, context);
        n += size * 4;
    }
    sph_free(states);
    return rc < 0 ? rc : 0;
}

/* --- by the class --------------------------------------------------------------------------------------- */

/* object_map_update(first, end, state, optional<state as it must be now>) */
static int enter_range(rados_ioctx_t io, const char *name, uint64_t from, uint64_t to) {
    char in[18];
    uint64_t ends[2] = {htole64(from), htole64(to)};
    memcpy(in, ends, sizeof ends);
    in[16] = SPH_OBJECT_EXISTS;
    in[17] = 0; /* whatever it is now */
    int rc = rados_exec(io, name, "rbd", "object_map_update", in, sizeof in, NULL, 0);
    return rc < 0 ? rc : 0;
}

static int enter_ranges(rados_ioctx_t io, const char *name, const sph_bits *made, uint64_t from,
                        uint64_t to) {
    int rc = 0;
    while (rc >= 0 && (from = sph_bits_next(made, from, to)) < to) {
        uint64_t end = sph_bits_next_absent(made, from, to);
        rc = enter_range(io, name, from, end);
        from = end;
    }
    return rc;
}

static bool are_few(const sph_bits *made, uint64_t from, uint64_t to) {
    unsigned count = 0;
    while ((from = sph_bits_next(made, from, to)) < to && ++count <= FEW)
        from = sph_bits_next_absent(made, from, to);
    return count <= FEW;
}

/* --- by blocks ------------------------------------------------------------------------------------------ */

static int write_block(rados_ioctx_t io, const char *name, uint64_t block, uint64_t map_size,
                       const unsigned char *bytes, size_t size) {
    uint32_t crc = htole32(sph_crc32c(0, bytes, size));
    rados_write_op_t write = rados_create_write_op();
    if (!write)
        return -ENOMEM;
    rados_write_op_assert_exists(write);
    rados_write_op_write(write, (const char *)bytes, size, SPH_MAP_HEADER + block * BLOCK);
    rados_write_op_write(write, (const char *)&crc, sizeof crc, SPH_MAP_HEADER + map_size + 12 + 4 * block);
    int rc = rados_write_op_operate(write, io, name, NULL, 0);
    rados_release_write_op(write);
    return rc;
}

static int enter_block(rados_ioctx_t io, const char *name, uint64_t objects, const sph_bits *made,
                       uint64_t from, uint64_t to) {
    unsigned char bytes[BLOCK], crc[4];
    uint64_t block = from / PER_BLOCK, map_size = (objects + 3) / 4, start = block * BLOCK;
    size_t size = map_size - start < BLOCK ? (size_t)(map_size - start) : BLOCK;
    int rc = read_all(io, name, bytes, size, SPH_MAP_HEADER + start);
    if (rc >= 0)
        rc = read_all(io, name, crc, sizeof crc, SPH_MAP_HEADER + map_size + 12 + 4 * block);
    if (rc < 0)
        return rc;
    if (get32(crc) != sph_crc32c(0, bytes, size))
        return enter_ranges(io, name, made, from, to);
    for (uint64_t n = from; (n = sph_bits_next(made, n, to)) < to; n++) {
        unsigned char *byte = &bytes[n / 4 - start], shift = (unsigned char)(6 - 2 * (n % 4));
        *byte = (unsigned char)((*byte & ~(3U << shift)) | (unsigned)SPH_OBJECT_EXISTS << shift);
    }
    return write_block(io, name, block, map_size, bytes, size);
}

int sph_map_enter(rados_ioctx_t io, const char *name, const sph_bits *made, uint64_t from, uint64_t to) {
    uint64_t objects = 0;
    bool asked = false;
    int rc = 0;
    while (rc >= 0 && (from = sph_bits_next(made, from, to)) < to) {
        uint64_t end = (from / PER_BLOCK + 1) * PER_BLOCK;
        if (end > to)
            end = to;
        bool few = are_few(made, from, end);
        if (!few && !asked) {
            objects = read_format(io, name);
            asked = true;
        }
        rc = few || end > objects ? enter_ranges(io, name, made, from, end)
                                  : enter_block(io, name, objects, made, from, end);
        from = end;
    }
    return rc;
}
