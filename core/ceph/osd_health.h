/* Is the cluster well enough to be given work? A thread asks the monitors every few seconds, and pauses the
 * copy while an OSD is down, or an OSD is full or nearly full.
 *
 * A full pool is no reason to wait: copying to it fails at once with EDQUOT, and that is the better answer.
 * Who may not ask ("profile rbd" may) is not paused.
 *
 * Thread: its own. */
#ifndef SPH_CEPH_OSD_HEALTH_H
#define SPH_CEPH_OSD_HEALTH_H

#include "ceph/cluster.h"
#include "ceph/osd_pace.h"

typedef struct {
    sph_op *op;
    sph_cluster *cluster;
    sph_pace *pace;
    double patience; /* seconds; then an OSD that is down is taken as it is, and a full one ends the copy */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool running, stopping;
    double paused_at, paused; /* seconds in all */
} sph_osd_health;

/* How many OSDs are up; 0 when nobody says. */
unsigned sph_osd_health_osds(sph_cluster *cluster);
void sph_osd_health_begin(sph_osd_health *health, sph_op *op, sph_cluster *cluster, sph_pace *pace,
                          double patience);
/* Returns how many seconds it made the copy wait. */
double sph_osd_health_end(sph_osd_health *health);

#endif
