/* RADOS objects: data, and checksums that the OSDs compute.
 *
 * Thread: workers. */
#ifndef SPH_CEPH_RADOS_OBJECT_H
#define SPH_CEPH_RADOS_OBJECT_H

#include "ceph/pool.h"

typedef struct {
    sph_op op;
    sph_pool *pool;
    const char *name;
    uint64_t offset;
    uint64_t length;
    bool to_end;      /* read: length is not given */
    char *buffer;     /* read: made by run, freed by release */
    const char *data; /* write */
    bool at_offset;   /* write: keeps the rest of the object */
    bool exclusive;   /* write: the object must be new */
    uint64_t size;    /* stat */
    int64_t mtime;    /* stat: seconds since the epoch */
} sph_object_io_op;

void sph_object_stat(sph_op *op);
void sph_object_read(sph_op *op);
void sph_object_read_release(sph_op *op);
void sph_object_write(sph_op *op);
void sph_object_remove(sph_op *op);

typedef struct {
    sph_op op;
    sph_pool *pool;
    const char *name;
    rados_checksum_type_t type;
    uint64_t offset, length, chunk; /* length 0: to the end; chunk 0: one value for all */
    uint64_t *values;
    size_t count;
} sph_checksum_op;

/* One value for each chunk of the range, of which the last may be shorter; the seed is all ones. They are of
 * the object's bytes as stored: a short object and the same one padded with zeroes differ. */
void sph_object_checksum(sph_op *op);
void sph_object_checksum_release(sph_op *op);

#endif
