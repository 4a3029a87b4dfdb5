#include "engine/loop.h"

#include "engine/memory.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64

struct sph_loop {
    int epoll_fd, event_fd;
    pthread_mutex_t lock; /* guards first and last */
    sph_post *first, *last;
    sph_timer **heap; /* slots 1..timers */
    size_t timers, capacity;
    struct epoll_event batch[BATCH]; /* being dispatched: a stopped watch is struck out */
    int batch_size;
};

double sph_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

sph_loop *sph_loop_new(void) {
    sph_loop *loop = sph_alloc(sizeof *loop);
    if (!loop) {
        errno = ENOMEM;
        return NULL;
    }
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL};
    if (loop->epoll_fd < 0 || loop->event_fd < 0 ||
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->event_fd, &e) < 0) {
        int why = errno;
        if (loop->epoll_fd >= 0)
            close(loop->epoll_fd);
        if (loop->event_fd >= 0)
            close(loop->event_fd);
        sph_free(loop);
        errno = why;
        return NULL;
    }
    pthread_mutex_init(&loop->lock, NULL);
    return loop;
}

void sph_loop_free(sph_loop *loop) {
    close(loop->epoll_fd);
    close(loop->event_fd);
    pthread_mutex_destroy(&loop->lock);
    sph_free(loop->heap);
    sph_free(loop);
}

int sph_loop_fd(const sph_loop *loop) {
    return loop->epoll_fd;
}

/* --- posts ---------------------------------------------------------------------------------------------- */

void sph_loop_wake(sph_loop *loop) {
    uint64_t one = 1;
    ssize_t n = write(loop->event_fd, &one, sizeof one);
    (void)n; /* EAGAIN: the counter is full, so the loop wakes anyhow */
}

void sph_loop_post(sph_loop *loop, sph_post *post) {
    pthread_mutex_lock(&loop->lock);
    post->next = NULL;
    bool empty = !loop->first;
    if (empty)
        loop->first = post;
    else
        loop->last->next = post;
    loop->last = post;
    /* Under the lock: once it is released, the loop may run the last post and be freed by its owner. */
    if (empty)
        sph_loop_wake(loop);
    pthread_mutex_unlock(&loop->lock);
}

static bool have_posts(sph_loop *loop) {
    pthread_mutex_lock(&loop->lock);
    bool have = loop->first;
    pthread_mutex_unlock(&loop->lock);
    return have;
}

static void run_posts(sph_loop *loop) {
    pthread_mutex_lock(&loop->lock);
    sph_post *post = loop->first;
    loop->first = loop->last = NULL;
    pthread_mutex_unlock(&loop->lock);
    while (post) {
        sph_post *next = post->next; /* run may free it or post it again */
        post->run(post);
        post = next;
    }
}

/* --- timers: a binary heap, each timer knowing its slot ------------------------------------------------- */

static void put(sph_loop *loop, size_t slot, sph_timer *timer) {
    loop->heap[slot] = timer;
    timer->slot = slot;
}

static void sift(sph_loop *loop, size_t slot) {
    sph_timer *timer = loop->heap[slot];
    while (slot > 1 && loop->heap[slot / 2]->due > timer->due) {
        put(loop, slot, loop->heap[slot / 2]);
        slot /= 2;
    }
    for (;;) {
        size_t child = 2 * slot;
        if (child < loop->timers && loop->heap[child + 1]->due < loop->heap[child]->due)
            child++;
        if (child > loop->timers || loop->heap[child]->due >= timer->due)
            break;
        put(loop, slot, loop->heap[child]);
        slot = child;
    }
    put(loop, slot, timer);
}

int sph_timer_start(sph_loop *loop, sph_timer *timer, double seconds) {
    timer->due = sph_now() + (seconds > 0 ? seconds : 0);
    if (!timer->slot) {
        if (loop->timers + 1 >= loop->capacity) {
            size_t capacity = loop->capacity ? 2 * loop->capacity : 16;
            sph_timer **heap = sph_realloc(loop->heap, capacity * sizeof *heap);
            if (!heap)
                return -ENOMEM;
            loop->heap = heap;
            loop->capacity = capacity;
        }
        put(loop, ++loop->timers, timer);
    }
    sift(loop, timer->slot);
    return 0;
}

void sph_timer_stop(sph_loop *loop, sph_timer *timer) {
    size_t slot = timer->slot;
    if (!slot)
        return;
    timer->slot = 0;
    sph_timer *last = loop->heap[loop->timers--];
    if (last == timer)
        return;
    put(loop, slot, last);
    sift(loop, slot);
}

static void run_timers(sph_loop *loop) {
    double now = sph_now();
    while (loop->timers && loop->heap[1]->due <= now) {
        sph_timer *timer = loop->heap[1];
        sph_timer_stop(loop, timer);
        timer->fire(timer);
    }
}

int sph_loop_timeout_ms(sph_loop *loop) {
    if (have_posts(loop))
        return 0;
    if (!loop->timers)
        return -1;
    double left = ceil((loop->heap[1]->due - sph_now()) * 1000);
    return left <= 0 ? 0 : left > 3600000 ? 3600000 : (int)left;
}

/* --- watches -------------------------------------------------------------------------------------------- */

static int control(sph_loop *loop, int what, sph_watch *watch, uint32_t events) {
    struct epoll_event e = {.events = events, .data.ptr = watch};
    return epoll_ctl(loop->epoll_fd, what, watch->fd, &e) < 0 ? -errno : 0;
}

int sph_watch_start(sph_loop *loop, sph_watch *watch, uint32_t events) {
    return control(loop, EPOLL_CTL_ADD, watch, events);
}

int sph_watch_change(sph_loop *loop, sph_watch *watch, uint32_t events) {
    return control(loop, EPOLL_CTL_MOD, watch, events);
}

void sph_watch_stop(sph_loop *loop, sph_watch *watch) {
    control(loop, EPOLL_CTL_DEL, watch, 0);
    for (int i = 0; i < loop->batch_size; i++)
        if (loop->batch[i].data.ptr == watch)
            loop->batch[i].events = 0;
}

void sph_loop_step(sph_loop *loop, int timeout_ms) {
    int limit = sph_loop_timeout_ms(loop);
    if (limit >= 0 && (timeout_ms < 0 || limit < timeout_ms))
        timeout_ms = limit;
    int n = epoll_wait(loop->epoll_fd, loop->batch, BATCH, timeout_ms);
    loop->batch_size = n < 0 ? 0 : n; /* EINTR: a signal is a reason to look around */
    for (int i = 0; i < loop->batch_size; i++) {
        struct epoll_event e = loop->batch[i];
        if (!e.events)
            continue;
        if (e.data.ptr) {
            sph_watch *watch = e.data.ptr;
            watch->ready(watch, e.events);
        } else {
            uint64_t drained;
            ssize_t got = read(loop->event_fd, &drained, sizeof drained);
            (void)got; /* EAGAIN: another step took it */
        }
    }
    loop->batch_size = 0;
    run_posts(loop);
    run_timers(loop);
}
