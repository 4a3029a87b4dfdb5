/* The image that the OSDs copy into, from its birth to the moment when it may be opened.
 *
 * It is created with an object map that is marked invalid at once, so that whoever opens it before its time
 * reads what there is, and a crash at any point leaves an image that `rbd rm` removes with all its objects.
 * An extended attribute of the header, "siphon.osd_copy", says what is being copied into it and how far that
 * got; it goes away in the same operation that clears the mark. So the unfinished image itself carries all
 * that is needed to go on, from any host.
 *
 * The map is updated by ranges of objects that exist, which costs what was copied, not what could be. Class
 * methods used (cls/rbd/cls_rbd.cc): set_flags, object_map_update.
 *
 * Thread: workers. */
#ifndef SPH_CEPH_OSD_TARGET_H
#define SPH_CEPH_OSD_TARGET_H

#include "ceph/bits.h"
#include "ceph/features.h"
#include "ceph/osd_layout.h"

typedef struct {
    sph_op op;
    sph_image *source; /* at a snapshot */
    sph_pool *pool;
    const char *name;
    sph_image_options options; /* features and data pool; the layout is the source's */
    char id[128];              /* of the image made */
} sph_osd_create_op;

void sph_osd_create(sph_op *op);

typedef struct {
    const sph_pool *pool;
    rados_ioctx_t data;
    sph_layout layout;
    uint64_t features, flags;
    char id[128], prefix[128], name[256];
    atomic_bool solid;  /* its pool cannot drop zeroes (erasure-coded); any thread may find out */
    bool marked;        /* an unfinished copy */
    uint64_t watermark; /* all objects below are copied and in the map */
} sph_osd_target;

/* By name or by id. With a source: must be an unfinished copy of it. 0, or a negative errno after op failed;
 * close it in both cases. */
int sph_osd_target_open(sph_op *op, const sph_pool *pool, const char *name, const char *id,
                        const sph_osd_source *source, sph_osd_target *target);
void sph_osd_target_close(sph_osd_target *target);

/* The objects of `made` from target->watermark on and below `watermark` exist: enters them into the map, then
 * moves the watermark. 0 or a negative errno. */
int sph_osd_target_advance(sph_osd_target *target, const sph_osd_source *source, const sph_bits *made,
                           uint64_t watermark);
/* Clears the mark: from here on it is an image like any other. 0 or a negative errno. */
int sph_osd_target_finish(const sph_osd_target *target);

#endif
