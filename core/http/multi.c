#include "http/multi.h"

#include "engine/loop.h"
#include "engine/memory.h"

#include <sys/epoll.h>

#include <errno.h>
#include <pthread.h>

struct sph_multi {
    sph_loop *loop;
    CURLM *curl;
    sph_timer timer;
    sph_flow *flows;
};

typedef struct {
    sph_watch watch;
    sph_multi *multi;
} socket_watch;

static void take_out(sph_flow *flow) {
    sph_multi *m = flow->multi;
    curl_multi_remove_handle(m->curl, flow->easy);
    if (flow->prev)
        flow->prev->next = flow->next;
    else
        m->flows = flow->next;
    if (flow->next)
        flow->next->prev = flow->prev;
    flow->multi = NULL;
    flow->prev = flow->next = NULL;
}

/* After every call that lets curl work: what has ended is handed back. */
static void collect(sph_multi *m, CURLMcode code) {
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(m->curl, &left))) {
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode result = message->data.result;
        sph_flow *flow = NULL;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&flow);
        take_out(flow);
        flow->ended(flow, result);
    }
    /* A callback of ours had no memory: curl stops all work on the handle until its last transfer is gone. */
    while (code != CURLM_OK && m->flows) {
        sph_flow *flow = m->flows;
        take_out(flow);
        flow->ended(flow, CURLE_FAILED_INIT);
    }
}

static void on_ready(sph_watch *watch, uint32_t events) {
    sph_multi *m = ((socket_watch *)watch)->multi;
    int what = 0, running;
    if (events & (EPOLLIN | EPOLLHUP | EPOLLRDHUP))
        what |= CURL_CSELECT_IN;
    if (events & EPOLLOUT)
        what |= CURL_CSELECT_OUT;
    if (events & EPOLLERR)
        what |= CURL_CSELECT_ERR;
    collect(m, curl_multi_socket_action(m->curl, watch->fd, what, &running));
}

static void on_timer(sph_timer *timer) {
    sph_multi *m = (sph_multi *)((char *)timer - offsetof(sph_multi, timer));
    int running;
    collect(m, curl_multi_socket_action(m->curl, CURL_SOCKET_TIMEOUT, 0, &running));
}

/* --- curl's callbacks ----------------------------------------------------------------------------------- */

static int timer_wanted(CURLM *curl, long ms, void *user) {
    sph_multi *m = user;
    (void)curl;
    if (ms >= 0)
        return sph_timer_start(m->loop, &m->timer, (double)ms / 1000) < 0 ? -1 : 0;
    sph_timer_stop(m->loop, &m->timer);
    return 0;
}

static int socket_wanted(CURL *easy, curl_socket_t fd, int what, void *user, void *known) {
    sph_multi *m = user;
    socket_watch *s = known;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (s) {
            sph_watch_stop(m->loop, &s->watch);
            sph_free(s);
        }
        curl_multi_assign(m->curl, fd, NULL);
        return 0;
    }
    uint32_t events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
    if (s)
        return sph_watch_change(m->loop, &s->watch, events) < 0 ? -1 : 0;
    s = sph_alloc(sizeof *s);
    if (!s)
        return -1;
    s->watch.ready = on_ready;
    s->watch.fd = fd;
    s->multi = m;
    if (sph_watch_start(m->loop, &s->watch, events) < 0) {
        sph_free(s);
        return -1;
    }
    curl_multi_assign(m->curl, fd, s);
    return 0;
}

/* --- making and freeing --------------------------------------------------------------------------------- */

static void release(void *multi) {
    sph_multi *m = multi;
    curl_multi_cleanup(m->curl); /* closes the kept connections, through socket_wanted */
    sph_timer_stop(m->loop, &m->timer);
    sph_free(m);
}

static CURLcode global_result;

static void global_init(void) {
    global_result = curl_global_init(CURL_GLOBAL_DEFAULT);
}

sph_multi *sph_multi_of(sph_engine *engine) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    void **slot = sph_engine_slot_http(engine, release);
    if (*slot)
        return *slot;
    pthread_once(&once, global_init);
    sph_multi *m = global_result == CURLE_OK ? sph_alloc(sizeof *m) : NULL;
    if (!m)
        return NULL;
    m->loop = sph_engine_loop(engine);
    m->timer.fire = on_timer;
    m->curl = curl_multi_init();
    if (!m->curl) {
        sph_free(m);
        return NULL;
    }
    curl_multi_setopt(m->curl, CURLMOPT_SOCKETFUNCTION, socket_wanted);
    curl_multi_setopt(m->curl, CURLMOPT_SOCKETDATA, m);
    curl_multi_setopt(m->curl, CURLMOPT_TIMERFUNCTION, timer_wanted);
    curl_multi_setopt(m->curl, CURLMOPT_TIMERDATA, m);
    *slot = m;
    return m;
}

CURLMcode sph_multi_add(sph_multi *m, sph_flow *flow) {
    curl_easy_setopt(flow->easy, CURLOPT_PRIVATE, flow);
    CURLMcode code = curl_multi_add_handle(m->curl, flow->easy);
    if (code != CURLM_OK) {
        curl_multi_remove_handle(m->curl, flow->easy);
        return code;
    }
    flow->multi = m;
    flow->prev = NULL;
    flow->next = m->flows;
    if (m->flows)
        m->flows->prev = flow;
    m->flows = flow;
    return CURLM_OK;
}

void sph_multi_remove(sph_flow *flow) {
    if (flow->multi)
        take_out(flow);
}
