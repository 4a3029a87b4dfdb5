/* RADOS objects: data, and checksums that the OSDs compute. Worker threads run what is here. */
#include "ceph/rados_object.h"

#include "ceph/fail.h"
#include "engine/memory.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

static sph_place place_of(const sph_pool *pool, const char *name) {
    return (sph_place){.pool = pool, .object = name};
}

/* --- data ----------------------------------------------------------------------------------------------- */

void sph_object_stat(sph_op *op) {
    sph_object_io_op *self = (sph_object_io_op *)op;
    const sph_place place = place_of(self->pool, self->name);
    time_t mtime = 0;
    int rc = rados_stat(self->pool->io, self->name, &self->size, &mtime);
    sph_ceph_check(op, rc, &place, NULL, "cannot stat");
    self->mtime = mtime;
}

void sph_object_read(sph_op *op) {
    sph_object_io_op *self = (sph_object_io_op *)op;
    const sph_place place = place_of(self->pool, self->name);
    if (self->to_end) {
        uint64_t size;
        if (sph_ceph_check(op, rados_stat(self->pool->io, self->name, &size, NULL), &place, NULL,
                           "cannot stat") < 0)
            return;
        self->length = size > self->offset ? size - self->offset : 0;
    } else if (!self->length) { /* which would mean all to librados */
        sph_ceph_check(op, rados_stat(self->pool->io, self->name, NULL, NULL), &place, NULL, "cannot stat");
    }
    if (!self->length)
        return;
    self->buffer = sph_alloc(self->length);
    if (!self->buffer) {
        sph_ceph_no_memory(op);
        return;
    }
    int rc = rados_read(self->pool->io, self->name, self->buffer, self->length, self->offset);
    if (sph_ceph_check(op, rc, &place, NULL, "cannot read") >= 0)
        self->length = (uint64_t)rc;
}

void sph_object_read_release(sph_op *op) {
    sph_free(((sph_object_io_op *)op)->buffer);
}

void sph_object_write(sph_op *op) {
    sph_object_io_op *self = (sph_object_io_op *)op;
    const sph_place place = place_of(self->pool, self->name);
    rados_write_op_t write = rados_create_write_op();
    if (self->exclusive)
        rados_write_op_create(write, LIBRADOS_CREATE_EXCLUSIVE, NULL);
    if (self->at_offset)
        rados_write_op_write(write, self->data, self->length, self->offset);
    else
        rados_write_op_write_full(write, self->data, self->length);
    int rc = rados_write_op_operate2(write, self->pool->io, self->name, NULL, LIBRADOS_OPERATION_NOFLAG);
    rados_release_write_op(write);
    sph_ceph_check(op, rc, &place, NULL, "cannot write");
}

void sph_object_remove(sph_op *op) {
    sph_object_io_op *self = (sph_object_io_op *)op;
    const sph_place place = place_of(self->pool, self->name);
    sph_ceph_check(op, rados_remove(self->pool->io, self->name), &place, NULL, "cannot remove");
}

/* --- checksums ------------------------------------------------------------------------------------------ */

/* Asks for `room` values at most and appends them. The answer is a little-endian 32-bit count, then that many
 * little-endian values. */
static int ask(sph_checksum_op *self, uint64_t offset, uint64_t length, uint64_t chunk, size_t room) {
    static const char seed[8] = "\xff\xff\xff\xff\xff\xff\xff\xff";
    size_t width = self->type == LIBRADOS_CHECKSUM_TYPE_XXHASH64 ? 8 : 4,
           size = sizeof(uint32_t) + room * width;
    unsigned char *raw = sph_alloc(size);
    if (!raw)
        return -ENOMEM;
    int rc = rados_checksum(self->pool->io, self->name, self->type, seed, width, length, offset, chunk,
                            (char *)raw, size);
    uint32_t count;
    memcpy(&count, raw, sizeof count);
    count = rc < 0 ? 0 : le32toh(count);
    const unsigned char *at = raw + sizeof count;
    for (size_t i = 0; i < count && i < room; i++, at += width) {
        uint64_t value = 0;
        memcpy(&value, at, width);
        self->values[self->count++] = le64toh(value);
    }
    sph_free(raw);
    return rc;
}

/* OSDs want the chunk to divide the length, so the rest is a question of its own. */
static int ask_by_chunks(sph_checksum_op *self) {
    uint64_t size;
    int rc = rados_stat(self->pool->io, self->name, &size, NULL);
    if (rc < 0)
        return rc;
    uint64_t length = size > self->offset ? size - self->offset : 0;
    if (self->length && self->length < length)
        length = self->length;
    size_t whole = length / self->chunk;
    self->values = sph_alloc((whole + 1) * sizeof *self->values);
    if (!self->values)
        return -ENOMEM;
    if (whole)
        rc = ask(self, self->offset, whole * self->chunk, self->chunk, whole);
    if (rc >= 0 && length % self->chunk)
        rc = ask(self, self->offset + whole * self->chunk, length % self->chunk, 0, 1);
    return rc;
}

void sph_object_checksum(sph_op *op) {
    sph_checksum_op *self = (sph_checksum_op *)op;
    const sph_place place = place_of(self->pool, self->name);
    int rc;
    if (self->chunk) {
        rc = ask_by_chunks(self);
    } else {
        self->values = sph_alloc(sizeof *self->values);
        rc = self->values ? ask(self, self->offset, self->length, 0, 1) : -ENOMEM;
    }
    if (rc == -ENOMEM)
        sph_ceph_no_memory(op);
    else
        sph_ceph_check(op, rc, &place, NULL, "cannot compute the checksum");
}

void sph_object_checksum_release(sph_op *op) {
    sph_free(((sph_checksum_op *)op)->values);
}
