/* The pace of a copy. Any thread runs what is here. */
#include "ceph/osd_pace.h"

#include "engine/loop.h"

#include <time.h>

#define LEAST 2.0
#define OTHERWISE 12 /* where to begin when nobody knows how many OSDs there are */
#define FASTER 1.5
#define SLOWER 2.0
#define SHRINK 0.7
#define FORGET 1.01

static double clamp(const sph_pace *p, double window) {
    double least = p->max < LEAST ? p->max : LEAST;
    return window < least ? least : window > p->max ? p->max : window;
}

void sph_pace_begin(sph_pace *p, unsigned start, unsigned max, bool fixed, uint64_t rate) {
    *p = (sph_pace){.max = max, .fixed = fixed, .rate = (double)rate};
    p->window = fixed ? max : clamp(p, start ? start : OTHERWISE);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->room, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

void sph_pace_end(sph_pace *p) {
    pthread_cond_destroy(&p->room);
    pthread_mutex_destroy(&p->lock);
}

bool sph_pace_enter(sph_pace *p) {
    pthread_mutex_lock(&p->lock);
    while (!p->closed && (p->paused || p->under_way >= (unsigned)p->window))
        pthread_cond_wait(&p->room, &p->lock);
    bool go = !p->closed;
    if (go && ++p->under_way > p->widest)
        p->widest = p->under_way;
    pthread_mutex_unlock(&p->lock);
    return go;
}

void sph_pace_leave(sph_pace *p) {
    pthread_mutex_lock(&p->lock);
    p->under_way--;
    if (p->rate > 0)
        pthread_cond_broadcast(&p->room); /* a single signal could reach one that waits for its bytes */
    else
        pthread_cond_signal(&p->room);
    pthread_mutex_unlock(&p->lock);
}

bool sph_pace_bytes(sph_pace *p, uint64_t bytes) {
    if (p->rate <= 0)
        return true;
    pthread_mutex_lock(&p->lock);
    double now = sph_now(), mine = p->next > now ? p->next : now;
    p->next = mine + (double)bytes / p->rate;
    struct timespec until = {(time_t)mine, (long)((mine - (double)(time_t)mine) * 1e9)};
    while (!p->stopped && (p->paused || sph_now() < mine)) {
        if (p->paused)
            pthread_cond_wait(&p->room, &p->lock);
        else
            pthread_cond_timedwait(&p->room, &p->lock, &until);
    }
    bool go = !p->stopped;
    pthread_mutex_unlock(&p->lock);
    return go;
}

/* The end of a round: what it says about the window. */
static void judge(sph_pace *p) {
    double slowness = 0;
    unsigned all = 0;
    for (int k = 0; k < SPH_PACE_KINDS; k++) {
        if (!p->counts[k])
            continue;
        double mean = p->sums[k] / p->counts[k], floor = p->floors[k] * FORGET;
        p->floors[k] = floor > 0 && floor < mean ? floor : mean;
        slowness += mean / p->floors[k] * p->counts[k];
        all += p->counts[k];
        p->counts[k] = 0;
        p->sums[k] = 0;
    }
    slowness /= all;
    double was = p->window;
    if (slowness < FASTER)
        p->window = clamp(p, was + 1);
    else if (slowness > SLOWER)
        p->window = clamp(p, was * SHRINK);
    if (p->window > was)
        pthread_cond_signal(&p->room);
}

void sph_pace_took(sph_pace *p, sph_pace_kind kind, double seconds) {
    pthread_mutex_lock(&p->lock);
    p->sums[kind] += seconds;
    p->counts[kind]++;
    unsigned all = 0;
    for (int k = 0; k < SPH_PACE_KINDS; k++)
        all += p->counts[k];
    if (!p->fixed && all >= (unsigned)p->window)
        judge(p);
    pthread_mutex_unlock(&p->lock);
}

void sph_pace_timed_out(sph_pace *p) {
    pthread_mutex_lock(&p->lock);
    if (!p->fixed)
        p->window = clamp(p, p->window / 2);
    pthread_mutex_unlock(&p->lock);
}

void sph_pace_pause(sph_pace *p, bool paused) {
    pthread_mutex_lock(&p->lock);
    p->paused = paused;
    pthread_cond_broadcast(&p->room);
    pthread_mutex_unlock(&p->lock);
}

void sph_pace_close(sph_pace *p) {
    pthread_mutex_lock(&p->lock);
    p->closed = true;
    pthread_cond_broadcast(&p->room);
    pthread_mutex_unlock(&p->lock);
}

void sph_pace_stop(sph_pace *p) {
    pthread_mutex_lock(&p->lock);
    p->closed = true;
    p->stopped = true;
    pthread_cond_broadcast(&p->room);
    pthread_mutex_unlock(&p->lock);
}

unsigned sph_pace_window(sph_pace *p) {
    pthread_mutex_lock(&p->lock);
    unsigned window = p->closed ? 0 : (unsigned)p->window;
    pthread_mutex_unlock(&p->lock);
    return window;
}
