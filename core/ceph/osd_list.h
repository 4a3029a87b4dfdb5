/* Which objects of the chain exist, level by level, while it is being found out.
 *
 * A level with a valid object map at its snapshot is listed by reading that map: two bits for each possible
 * object, 650 kB and a few milliseconds for 10 TiB. Otherwise librbd lists it: from the snapshot lists of the
 * objects, rbd_concurrent_management_ops of them at once. Every level has a thread of its own, and the copy
 * takes what is known so far.
 *
 * Two kinds of members: those of `exists` are there for certain, so that ENOENT from one of them means that
 * the snapshot is gone. `perhaps` has what has to be looked at, but may be absent: the map's "pending"
 * objects, every object of a stripe period that holds something, what a parent of another layout covers.
 *
 * Thread: any, as marked. */
#ifndef SPH_CEPH_OSD_LIST_H
#define SPH_CEPH_OSD_LIST_H

#include "ceph/bits.h"
#include "ceph/osd_layout.h"

#include <pthread.h>

typedef struct sph_osd_list sph_osd_list;

typedef struct {
    sph_osd_list *list;
    unsigned level;
    sph_bits exists, perhaps;
    uint64_t known; /* all that is below it has been listed */
    bool by_map;    /* from the object map */
    pthread_t thread;
    bool running;
} sph_osd_listing;

struct sph_osd_list {
    sph_op *op;
    const sph_osd_source *source;
    pthread_mutex_t lock; /* of all that follows */
    pthread_cond_t change;
    sph_osd_listing levels[SPH_OSD_LEVELS];
    bool stopping, failed;
};

/* Begins to list. 0, or a negative errno after op failed; end it in both cases. */
int sph_osd_list_begin(sph_op *op, const sph_osd_source *source, sph_osd_list *list);
/* Stops and waits for the threads. */
void sph_osd_list_end(sph_osd_list *list);

/* Any thread. The first object from `from` on that may exist at any level; waits until that is known. The
 * number of possible objects at the end; -1 when the listing failed or was stopped. */
int64_t sph_osd_list_next(sph_osd_list *list, uint64_t from);
/* Whether the level is known to have the object. */
bool sph_osd_list_exists(sph_osd_list *list, unsigned level, uint64_t n);
/* How many objects there are to look at, as far as that is known: a sum over levels, at most all of them. */
uint64_t sph_osd_list_total(sph_osd_list *list);
void sph_osd_list_stop(sph_osd_list *list);

#endif
