/* The loop: one epoll descriptor that carries an eventfd (posts from other threads), a timer heap, and any
 * descriptor that a subsystem watches (curl's sockets, pidfds). It knows nothing of Lua.
 *
 * Thread: the loop thread, but for sph_loop_post and sph_loop_wake, which any thread may call. */
#ifndef SPH_LOOP_H
#define SPH_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sph_loop sph_loop;

/* A call to be made on the loop thread. Embedded in what it concerns; may be posted again once it has run. */
typedef struct sph_post {
    void (*run)(struct sph_post *post);
    struct sph_post *next;
} sph_post;

typedef struct sph_timer {
    void (*fire)(struct sph_timer *timer);
    double due;
    size_t slot; /* place in the heap, 1-based; 0 = not started */
} sph_timer;

typedef struct sph_watch {
    void (*ready)(struct sph_watch *watch, uint32_t events); /* EPOLLIN, EPOLLOUT, ... */
    int fd;
} sph_watch;

sph_loop *sph_loop_new(void); /* NULL with errno */
void sph_loop_free(sph_loop *loop);

/* The descriptor that becomes readable when there is something to do. */
int sph_loop_fd(const sph_loop *loop);
/* Milliseconds until the next timer, rounded up; -1 for none; 0 when posts are waiting. */
int sph_loop_timeout_ms(sph_loop *loop);
/* Waits up to timeout_ms (-1 for ever), then runs what is due. */
void sph_loop_step(sph_loop *loop, int timeout_ms);

void sph_loop_post(sph_loop *loop, sph_post *post); /* any thread */
void sph_loop_wake(sph_loop *loop);                 /* any thread, and signal handlers */

/* Seconds on the monotonic clock. */
double sph_now(void);
/* 0, or -ENOMEM. Starting a started timer moves it. */
int sph_timer_start(sph_loop *loop, sph_timer *timer, double seconds);
void sph_timer_stop(sph_loop *loop, sph_timer *timer);

/* 0, or a negative errno. A changed set of events replaces the former one. */
int sph_watch_start(sph_loop *loop, sph_watch *watch, uint32_t events);
int sph_watch_change(sph_loop *loop, sph_watch *watch, uint32_t events);
void sph_watch_stop(sph_loop *loop, sph_watch *watch);

#endif
