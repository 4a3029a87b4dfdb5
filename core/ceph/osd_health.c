/* Is the cluster well enough to be given work? A thread of its own asks. */
#include "ceph/osd_health.h"

#include "ceph/command.h"
#include "ceph/fail.h"
#include "engine/memory.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define INTERVAL 3

typedef enum { WELL, OSD_DOWN, FULL, UNKNOWN } condition;

unsigned sph_osd_health_osds(sph_cluster *cluster) {
    char *answer, status[200];
    int64_t up = 0;
    if (sph_command_ask(cluster, "{\"prefix\": \"osd stat\", \"format\": \"json\"}", &answer, status,
                        sizeof status) < 0)
        return 0;
    if (!sph_reply_integer(answer, "num_up_osds", &up))
        up = 0;
    sph_free(answer);
    return up > 0 ? (unsigned)up : 0;
}

static condition ask(sph_cluster *cluster) {
    char *answer, status[200];
    if (sph_command_ask(cluster, "{\"prefix\": \"health\", \"format\": \"json\"}", &answer, status,
                        sizeof status) < 0)
        return UNKNOWN;
    condition found = WELL;
    if (strstr(answer, "\"OSD_FULL\"") || strstr(answer, "\"OSD_NEARFULL\"") ||
        strstr(answer, "\"OSD_BACKFILLFULL\""))
        found = FULL;
    else if (strstr(answer, "\"OSD_DOWN\""))
        found = OSD_DOWN;
    sph_free(answer);
    return found;
}

/* Under the lock. */
static void judge(sph_osd_health *h, condition found) {
    double now = sph_now();
    bool bad = found == OSD_DOWN || found == FULL;
    if (bad && h->paused_at <= 0) {
        h->paused_at = now;
        sph_pace_pause(h->pace, true);
    } else if (!bad && h->paused_at > 0) {
        h->paused += now - h->paused_at;
        h->paused_at = 0;
        sph_pace_pause(h->pace, false);
    }
    if (!bad || now - h->paused_at < h->patience)
        return;
    if (found == FULL) {
        sph_ceph_fail(h->op, "ENOSPC", ENOSPC, &(sph_place){.cluster = h->cluster},
                      "an OSD has been full or nearly full for %g seconds: see `ceph health detail`",
                      h->patience);
        sph_pace_stop(h->pace);
    } else {
        sph_pace_pause(h->pace, false);
    }
}

static void *watch(void *context) {
    sph_osd_health *h = context;
    pthread_mutex_lock(&h->lock);
    while (!h->stopping) {
        pthread_mutex_unlock(&h->lock);
        condition found = ask(h->cluster);
        pthread_mutex_lock(&h->lock);
        if (found == UNKNOWN)
            found = WELL;
        judge(h, found);
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += INTERVAL;
        while (!h->stopping && pthread_cond_timedwait(&h->wake, &h->lock, &until) == 0)
            ;
    }
    pthread_mutex_unlock(&h->lock);
    return NULL;
}

void sph_osd_health_begin(sph_osd_health *h, sph_op *op, sph_cluster *cluster, sph_pace *pace,
                          double patience) {
    *h = (sph_osd_health){.op = op, .cluster = cluster, .pace = pace, .patience = patience};
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    h->running = pthread_create(&h->thread, NULL, watch, h) == 0;
}

double sph_osd_health_end(sph_osd_health *h) {
    pthread_mutex_lock(&h->lock);
    h->stopping = true;
    pthread_cond_broadcast(&h->wake);
    pthread_mutex_unlock(&h->lock);
    if (h->running)
        pthread_join(h->thread, NULL);
    if (h->paused_at > 0)
        h->paused += sph_now() - h->paused_at;
    pthread_cond_destroy(&h->wake);
    pthread_mutex_destroy(&h->lock);
    return h->paused;
}
