/* Where the bytes of an image at a snapshot lie: its own objects, and those of the parents below it.
 *
 * Level 0 is the image that was opened; level 1 its parent at the parent's snapshot, and so on. A level
 * stands for what is absent above it, up to its `limit`. The chain ends with the first level whose objects do
 * not map one to one to those of level 0 (another object size or striping): what lies there or below is read
 * through librbd.
 *
 * All names and pools come from handles that were opened with the caller's own rights, and every level's data
 * pool is asked for an object once: the OSDs would copy it without asking.
 *
 * Thread: one worker makes and ends it; in between any may read it. */
#ifndef SPH_CEPH_OSD_LAYOUT_H
#define SPH_CEPH_OSD_LAYOUT_H

#include "ceph/image.h"

#define SPH_OSD_LEVELS 16

/* How the address space of an image is cut into objects. */
typedef struct {
    uint64_t size; /* of the image */
    uint64_t object_size, objects;
    uint64_t unit, count; /* striping; unit == object_size and count == 1 without */
    int order;
} sph_layout;

/* 0 or a negative errno. */
int sph_layout_read(rbd_image_t rbd, sph_layout *layout);
bool sph_layout_is_striped(const sph_layout *layout);
bool sph_layout_same(const sph_layout *a, const sph_layout *b);

/* The k-th stripe unit of object n: the address in the image of its first byte. */
static inline uint64_t sph_layout_address(const sph_layout *l, uint64_t n, uint64_t k) {
    return n / l->count * (l->object_size * l->count) + k * (l->unit * l->count) + n % l->count * l->unit;
}

typedef struct {
    rbd_image_t rbd;      /* level 0: the image's own, else opened here */
    rados_ioctx_t header; /* pool and namespace of the image */
    rados_ioctx_t data;   /* of its objects, at the snapshot */
    sph_layout layout;
    uint64_t limit; /* it stands for addresses of level 0 below this */
    uint64_t snapshot_id, features, flags;
    char id[128], prefix[128], name[256];
    bool direct;       /* its objects are those of level 0, one to one */
    atomic_bool blind; /* its pool tells no extents (erasure-coded); any thread may find out */
} sph_osd_level;

typedef struct {
    const sph_image *image;
    sph_osd_level levels[SPH_OSD_LEVELS];
    unsigned depth;
    atomic_bool was_held; /* it was found protected once; any thread may find out */
} sph_osd_source;

/* The image must be open at a snapshot. 0, or a negative errno after op failed; close it in both cases. */
int sph_osd_source_open(sph_op *op, const sph_image *image, sph_osd_source *source);
void sph_osd_source_close(sph_osd_source *source);

/* Whether the snapshots of all levels are still there, and that of level 0 is protected: removed in mid-copy,
 * it would make the OSDs copy the head without an error. Asks handles that are opened now, since a read-only
 * one goes on showing what it saw first. 0, or a negative errno after op failed. */
int sph_osd_source_check(sph_op *op, sph_osd_source *source);

/* How level i (> 0) stands for object n of level 0. */
typedef enum { SPH_COVERS_NOT, SPH_COVERS_WHOLLY, SPH_COVERS_PARTLY } sph_cover;
sph_cover sph_osd_level_covers(const sph_osd_source *source, unsigned level, uint64_t n);

#define SPH_OBJECT_NAME 160
void sph_osd_object_name(char name[SPH_OBJECT_NAME], const char *prefix, uint64_t n);

#endif
