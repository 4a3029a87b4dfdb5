/* A copy of an image at a snapshot that the OSDs make among themselves.
 *
 * The source: open at a protected snapshot. The target: made by sph_osd_create for that snapshot, and not
 * finished yet. Each object is carried by a thread of its own (osd_carry.h); they come and go with the pace
 * (osd_pace.h). Every few seconds what was made goes into the target's object map, and its watermark moves: a
 * copy that is cancelled or dies goes on from there, when it is asked for again. When all is copied and
 * equal, and the snapshots are still the ones that they were, the target is cleared for use.
 *
 * Memory: a thread's buffer of 1 MiB for each object under way that passes through this host, and sets of
 * object numbers (bits.h); nothing for each possible object.
 *
 * Thread: one worker, which starts the others. */
#ifndef SPH_CEPH_OSD_COPY_H
#define SPH_CEPH_OSD_COPY_H

#include "ceph/osd_carry.h"

#define SPH_OSD_IN_FLIGHT 64 /* at most */

typedef struct {
    sph_op op;
    sph_image *source;
    sph_pool *pool;
    const char *name, *id; /* of the target: one of them */
    unsigned max_in_flight;
    bool fixed;        /* the pace does not adapt */
    uint64_t max_rate; /* bytes a second; 0: no limit */
    double dense, sparse, patience;
    bool through_host, compare_only;
    sph_osd_verify_how verify;
    sph_osd_tally tally;
    uint64_t objects; /* of the target that exist now */
    uint64_t resumed_at;
    unsigned widest, levels;
    double paused, listed_after, seconds;
} sph_osd_copy_op;

void sph_osd_copy(sph_op *op);
/* Compares a finished target with the snapshot, object by object; the tally tells how many. */
void sph_osd_verify(sph_op *op);

#endif
