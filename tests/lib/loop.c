/* The loop: mounted in one of the program's own, woken, and what callbacks may do. */
#include "check.h"

#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static void sleeper(siphon_engine *engine, siphon_call **call) {
    CHECK(siphon_call_start_lua(call, engine,
                                "for i = 1, 3 do siphon.task.sleep(0.002) print(i) end return 'slept'", NULL,
                                NULL, NULL) == 0);
}

/* The program waits by itself; the engine is never given time to wait. */
static void mounted(void) {
    witness w[2] = {{.ended = 0}, {.ended = 0}};
    siphon_engine *engines[2];
    siphon_call *calls[2];
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < 2; i++) {
        engines[i] = new_engine(&w[i]);
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = engines[i]};
        CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, siphon_fd(engines[i]), &e) == 0);
        sleeper(engines[i], &calls[i]);
    }
    while (w[0].ended + w[1].ended < 2) {
        int timeout = -1;
        for (int i = 0; i < 2; i++) {
            int ms = siphon_timeout_ms(engines[i]);
            if (ms >= 0 && (timeout < 0 || ms < timeout))
                timeout = ms;
        }
        struct epoll_event ready[2];
        epoll_wait(epoll, ready, 2, timeout);
        for (int i = 0; i < 2; i++)
            CHECK(siphon_step(engines[i], 0) >= 0);
    }
    for (int i = 0; i < 2; i++) {
        CHECK_TEXT("\"slept\"", siphon_call_result(calls[i]));
        CHECK(siphon_timeout_ms(engines[i]) == -1);
        siphon_engine_free(engines[i]);
    }
    close(epoll);
}

/* A call that was started makes the descriptor readable: a program that waits for that alone misses nothing. */
static void readable(void) {
    witness w = {0};
    siphon_engine *engine = new_engine(&w);
    siphon_call *call;
    siphon_step(engine, 0);
    struct pollfd fd = {.fd = siphon_fd(engine), .events = POLLIN};
    CHECK(poll(&fd, 1, 0) == 0);
    CHECK(siphon_call_start_lua(&call, engine, "return 1", NULL, NULL, NULL) == 0);
    while (siphon_call_state(call) == SIPHON_RUNNING) {
        CHECK(poll(&fd, 1, -1) == 1);
        siphon_step(engine, 0);
    }
    CHECK_TEXT("1", siphon_call_result(call));
    siphon_wake(engine);
    CHECK(poll(&fd, 1, 0) == 1);
    CHECK(siphon_step(engine, -1) == 0);
    siphon_engine_free(engine);
}

static void woken(void) {
    witness w = {0};
    siphon_engine *engine = new_engine(&w);
    siphon_call *call;
    CHECK(siphon_call_start_lua(&call, engine, "siphon.task.sleep(3600)", NULL, NULL, NULL) == 0);
    siphon_wake(engine);
    CHECK(siphon_run(engine) == 1);
    CHECK(siphon_call_state(call) == SIPHON_RUNNING);
    siphon_engine_free(engine);
}

/* --- callbacks ------------------------------------------------------------------------------------------ */

typedef struct {
    siphon_engine *engine;
    siphon_call *other;
    int events, ended, refused;
} inside;

static int inside_event(siphon_call *call, const char *json, void *user) {
    inside *in = user;
    in->events++;
    in->refused +=
        siphon_step(in->engine, 0) < 0 && siphon_run(in->engine) < 0 && siphon_engine_free(in->engine) < 0;
    CHECK(call != NULL);
    return strstr(json, "stop") != NULL;
}

static void inside_end(siphon_call *call, void *user) {
    inside *in = user;
    in->refused += siphon_step(in->engine, 0) < 0;
    if (in->ended++ == 0) {
        CHECK(siphon_call_start_lua(&in->other, in->engine,
                                    "print 'go'; siphon.task.sleep(0) return 'second'", NULL, NULL,
                                    NULL) == 0);
        siphon_call_free(call);
    } else {
        CHECK(call == in->other);
        CHECK_TEXT("\"second\"", siphon_call_result(call));
    }
}

static void within_callbacks(void) {
    inside in = {.engine = NULL};
    siphon_options options = SIPHON_OPTIONS_INIT;
    options.on_event = inside_event;
    options.on_end = inside_end;
    options.user = &in;
    siphon_call *call;
    CHECK(siphon_engine_new(&in.engine, &options, NULL) == 0);
    CHECK(siphon_call_start_lua(&call, in.engine, "print 'stop' siphon.task.sleep(3600)", NULL, NULL, NULL) ==
          0);
    CHECK(siphon_run(in.engine) == 0);
    CHECK(in.events == 2 && in.ended == 2 && in.refused == 4);
    siphon_engine_free(in.engine);
}

/* Two end in one step, and the program frees both when it is told of the first. */
static void free_both(siphon_call *call, void *user) {
    siphon_call **calls = user;
    CHECK(call == calls[0]);
    siphon_call_free(calls[0]);
    siphon_call_free(calls[1]);
}

static void freed_untold(void) {
    siphon_call *calls[2];
    siphon_options options = SIPHON_OPTIONS_INIT;
    options.on_end = free_both;
    options.user = calls;
    siphon_engine *engine;
    CHECK(siphon_engine_new(&engine, &options, NULL) == 0);
    for (int i = 0; i < 2; i++)
        CHECK(siphon_call_start_lua(&calls[i], engine, "return 1", NULL, NULL, NULL) == 0);
    CHECK(siphon_run(engine) == 0);
    siphon_engine_free(engine);
}

void test_loop(void) {
    mounted();
    readable();
    woken();
    within_callbacks();
    freed_untold();
}
