/* An image: an open librbd handle, at the head or at a snapshot, read-only or not.
 *
 * What a handle is open at does not change in its life: another snapshot is another handle. So the fields may
 * be read from any thread, and operations on one handle never see each other's snapshot.
 *
 * A read-only handle registers no watch on the image's header (that would be a write). Hence `rbd rm` of the
 * image succeeds in spite of it and reads give zeroes from then on, unless the handle is at a snapshot; and
 * its view of size, features and snapshots is that of the moment of opening. What must be true now asks
 * sph_image_reopen.
 *
 * Thread: as in cluster.h; a librbd handle may be used from several threads. */
#ifndef SPH_CEPH_IMAGE_H
#define SPH_CEPH_IMAGE_H

#include "ceph/pool.h"

#include <rbd/librbd.h>

typedef struct sph_image {
    sph_object object; /* its parent is the pool */
    rbd_image_t rbd;
    char *name;
    char *id;
    char *snapshot; /* NULL at the head */
    uint64_t snapshot_id;
    bool read_only;
} sph_image;

extern const sph_object_type sph_image_type;

static inline sph_pool *sph_image_pool(const sph_image *image) {
    return (sph_pool *)image->object.parent;
}

/* Not open yet. NULL when memory is out. */
sph_image *sph_image_new(sph_pool *pool, bool read_only);

typedef struct {
    sph_op op;
    sph_image *image; /* made before the operation starts */
    const char *name; /* or */
    const char *id;
    const char *snapshot; /* a name; or, when has_snapshot_id, */
    uint64_t snapshot_id;
    bool has_snapshot_id;
} sph_image_open_op;

void sph_image_open(sph_op *op);
void sph_image_open_release(sph_op *op);

/* Another handle on the head of the same image, opened now, by its id: for what must not be out of date, or
 * must write though the image's own handle can't. The caller closes it. Returns 0, or a negative errno after
 * op failed. */
int sph_image_reopen(sph_op *op, const sph_image *image, bool read_only, rbd_image_t *rbd);
int sph_image_open_by_id(sph_op *op, const sph_pool *pool, const char *id, const char *name, bool read_only,
                         rbd_image_t *rbd);

/* An operation on an image whose arguments are a name and a few numbers. */
typedef struct {
    sph_op op;
    sph_image *image;
    const char *name, *value;
    uint64_t offset, length; /* or what `offset` and `length` mean to the operation */
    uint64_t result;
    bool flag;
} sph_image_op;

void sph_image_size(sph_op *op);    /* result */
void sph_image_discard(sph_op *op); /* offset, length */
void sph_image_flush(sph_op *op);

typedef struct {
    sph_op op;
    sph_image *image;
    uint64_t offset;
    size_t length;    /* read: in, and out */
    char *buffer;     /* read: made by run, freed by release */
    const char *data; /* write */
} sph_image_io_op;

/* Fewer bytes than asked for only where the image ends. */
void sph_image_read(sph_op *op);
void sph_image_read_release(sph_op *op);
void sph_image_write(sph_op *op);

/* For librbd's progress callbacks, with the operation as its argument. The first hands progress on; the
 * second also tells librbd to stop once the operation is cancelled. */
int sph_image_progress(uint64_t done, uint64_t total, void *op);
int sph_image_progress_or_stop(uint64_t done, uint64_t total, void *op);

#endif
