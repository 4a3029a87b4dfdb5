/* Which Ceph this is, and what differs between its releases.
 *
 * siphon is built against Ceph 16 (Pacific) and uses nothing that a later release dropped. What it has to know
 * about differences stands here and nowhere else:
 *
 * - rados_blocklist_add is the name since 16; rados_blacklist_add went.
 * - rbd_diff_iterate2 of a clone, with whole_object, include_parent and fast-diff, is right in 16.2.15; librbd
 *   of some older releases leaves out what only the parent has.
 * - Layered encryption ("RBDL" at the start of a formatted clone) appears with 17.
 * - Clones of unprotected snapshots (format 2) need "require-min-compat-client mimic"; librbd asks for that
 *   itself.
 *
 * Thread: any. */
#ifndef SPH_CEPH_RELEASE_H
#define SPH_CEPH_RELEASE_H

#include "ceph/cluster.h"

typedef struct {
    char name[32];    /* "pacific" */
    char version[48]; /* "16.2.15" */
    int number;       /* 16 */
    int osd;          /* what the OSD map requires of every OSD */
} sph_release;

/* Reads "ceph version 16.2.15 (hash) pacific (stable)". False when it is something else. */
bool sph_release_parse(const char *text, sph_release *release);

typedef struct {
    sph_op op;
    sph_cluster *cluster;
    sph_release release;
} sph_release_op;

/* Asks a monitor; the OSDs may be of an older release in the middle of an upgrade. */
void sph_release_ask(sph_op *op);

#endif
