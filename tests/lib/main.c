/* The tests of the embedding API, without Ceph: under every sanitizer, and with each allocation failing once.
 *
 *   libsiphon              all of them
 *   libsiphon --memory     the N-th allocation fails in run N, until a run needs fewer: no run may abort, none may
 * leave a block behind */
#include "check.h"

#include "engine/memory.h"

#include <stdio.h>
#include <string.h>

#ifdef __SANITIZE_ADDRESS__
/* cjson does not free its buffers when Lua runs out of memory under it. The sanitizer's library has to find this. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
    return "leak:cjson.so";
}
#endif

static int failed, count;
bool memory_may_fail;

bool check(bool ok, const char *what, const char *file, int line) {
    count++;
    if (!ok && failed++ < 20)
        printf("%s:%d: failed: %s\n", file, line, what);
    return ok;
}

bool check_text(const char *expected, const char *actual, const char *file, int line) {
    bool same = actual ? strcmp(expected, actual) == 0 : false;
    check(same, "the texts differ", file, line);
    if (!same)
        printf("  expected: %s\n  actual:   %s\n", expected, actual ? actual : "(null)");
    return same;
}

static int on_event(siphon_call *call, const char *json, void *user) {
    witness *w = user;
    (void)call;
    size_t length = strlen(w->events);
    snprintf(w->events + length, sizeof w->events - length, "%s\n", json);
    return 0;
}

static void on_end(siphon_call *call, void *user) {
    witness *w = user;
    w->ended++;
    w->last = call;
}

siphon_engine *new_engine(witness *w) {
    siphon_options options = SIPHON_OPTIONS_INIT;
    options.on_event = on_event;
    options.on_end = on_end;
    options.user = w;
    siphon_engine *engine;
    siphon_error *error = NULL;
    if (siphon_engine_new(&engine, &options, &error) == 0)
        return engine;
    if (!memory_may_fail)
        printf("no engine: %s\n", siphon_error_message(error));
    siphon_error_free(error);
    return NULL;
}

static int sweep(void) {
    memory_may_fail = true;
    for (long n = 1;; n++) {
        long before = sph_memory_asked();
        sph_memory_fail_at(n, (int)(n % 2)); /* every other run stays out of memory from there on */
        test_memory();
        sph_memory_fail_at(0, 0);
        long asked = sph_memory_asked() - before, live = sph_memory_live();
        if (live) {
            printf("allocation %ld failing left %ld blocks behind\n", n, live);
            return 1;
        }
        if (asked < n) {
            printf("%ld allocations, each failing once: none left behind\n", n - 1);
            return failed != 0;
        }
    }
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "--memory") == 0)
        return sweep();
    test_options();
    test_errors();
    test_calls();
    test_loop();
    test_threads();
    long live = sph_memory_live();
    check(live == 0, "nothing is left allocated", __FILE__, __LINE__);
    printf("%d checks, %d failed\n", count, failed);
    return failed != 0;
}
