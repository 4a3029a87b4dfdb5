/* The pace of a copy: how many objects are under way at once, how many bytes a second, and when to wait.
 *
 * The law of the window W (objects under way), unless it is fixed:
 *   - it begins at four times the number of OSDs that are up, within [2, max];
 *   - a round is W finished operations. Each one's slowness is its time divided by the floor of its kind,
 * which is the mean of the best round so far, raised by 1 % a round so that it forgets;
 *   - mean slowness of a round below 1.5: W + 1. Above 2: W * 0.7. Between: as it is;
 *   - a timeout: W * 0.5 at once.
 * So a copy alone on the cluster settles where more in flight no longer makes it faster but only every
 * operation slower, and it gives way to others in a few rounds.
 *
 * Thread: any; the lock is inside. */
#ifndef SPH_CEPH_OSD_PACE_H
#define SPH_CEPH_OSD_PACE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Kinds of operation whose times can be compared with one another. */
typedef enum { SPH_PACE_WHOLE, SPH_PACE_PART, SPH_PACE_READ, SPH_PACE_KINDS } sph_pace_kind;

typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t room;
    unsigned max, under_way;
    double window;
    bool fixed, paused;
    bool closed;                   /* nothing new begins */
    bool stopped;                  /* and what has begun ends soon */
    double floors[SPH_PACE_KINDS]; /* seconds; 0: not known yet */
    double sums[SPH_PACE_KINDS];   /* of this round */
    unsigned counts[SPH_PACE_KINDS];
    double rate, next; /* bytes a second, or 0; when the next bytes may move */
    unsigned widest;
} sph_pace;

/* `start` 0 for no opinion. */
void sph_pace_begin(sph_pace *pace, unsigned start, unsigned max, bool fixed, uint64_t rate);
void sph_pace_end(sph_pace *pace);

/* Waits for room in the window; false once it is closed. */
bool sph_pace_enter(sph_pace *pace);
void sph_pace_leave(sph_pace *pace);
/* Waits until `bytes` more may move; false once it is stopped. */
bool sph_pace_bytes(sph_pace *pace, uint64_t bytes);
/* An operation of that kind took so long. */
void sph_pace_took(sph_pace *pace, sph_pace_kind kind, double seconds);
void sph_pace_timed_out(sph_pace *pace);
/* Nothing new begins while it is paused. */
void sph_pace_pause(sph_pace *pace, bool paused);
void sph_pace_close(sph_pace *pace);
void sph_pace_stop(sph_pace *pace); /* closes it too */
/* How many threads could be at work now; 0 once it is closed. */
unsigned sph_pace_window(sph_pace *pace);

#endif
