/* A program that loads libsiphon as a plugin system would: at run time, for itself alone, and knowing no Lua.
 *
 *   host LIBRARY FUNCTION [ARGUMENTS]...   for each: prints the result, or the error as JSON, then the number of events
 *
 * With several ARGUMENTS, each has an engine and a thread of its own, all at once. Exits with 3 when the library has
 * changed how the process, or its main thread, takes signals. */
#include "siphon.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define MOST 16

#define FUNCTIONS(X)                                                                                         \
    X(siphon_engine_new)                                                                                     \
    X(siphon_engine_free)                                                                                    \
    X(siphon_call_start)                                                                                     \
    X(siphon_call_result)                                                                                    \
    X(siphon_call_error)                                                                                     \
    X(siphon_run)                                                                                            \
    X(siphon_error_json)                                                                                     \
    X(siphon_error_message)                                                                                  \
    X(siphon_string_free)

#define DECLARE(name) static __typeof__(&(name)) p_##name;
FUNCTIONS(DECLARE)

/* ISO C has no way from dlsym's object pointer to a function pointer; POSIX has this one. */
#define FIND(name)                                                                                           \
    *(void **)&p_##name = dlsym(library, #name);                                                             \
    if (!p_##name)                                                                                           \
        return 0;

static int find(void *library) {
    FUNCTIONS(FIND)
    return 1;
}

typedef struct {
    const char *function, *arguments;
    siphon_engine *engine;
    siphon_call *call;
    int events, failed;
} job;

static int on_event(siphon_call *call, const char *json, void *user) {
    (void)call, (void)json;
    ((job *)user)->events++;
    return 0;
}

static void *work(void *context) {
    job *j = context;
    siphon_options options = SIPHON_OPTIONS_INIT;
    siphon_error *error = NULL;
    options.on_event = on_event;
    options.user = j;
    if (p_siphon_engine_new(&j->engine, &options, &error) < 0 ||
        p_siphon_call_start(&j->call, j->engine, j->function, j->arguments, NULL, &error) < 0) {
        fprintf(stderr, "%s\n", p_siphon_error_message(error));
        j->failed = 1;
        return NULL;
    }
    p_siphon_run(j->engine);
    return NULL;
}

static void print(const job *j) {
    if (p_siphon_call_result(j->call)) {
        printf("%s\n", p_siphon_call_result(j->call));
    } else {
        char *json = p_siphon_error_json(p_siphon_call_error(j->call));
        printf("%s\n", json);
        p_siphon_string_free(json);
    }
    printf("%d events\n", j->events);
}

typedef struct {
    void (*handlers[NSIG])(int);
    int blocked[NSIG];
} manners;

static manners look_at_signals(void) {
    manners m;
    sigset_t mask;
    memset(&m, 0, sizeof m);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    for (int number = 1; number < NSIG; number++) {
        struct sigaction action;
        if (sigaction(number, NULL, &action) == 0)
            m.handlers[number] = action.sa_handler;
        m.blocked[number] = sigismember(&mask, number);
    }
    return m;
}

static int same(const manners *a, const manners *b) {
    for (int number = 1; number < NSIG; number++)
        if (a->handlers[number] != b->handlers[number] || a->blocked[number] != b->blocked[number])
            return 0;
    return 1;
}

int main(int argc, char **argv) {
    if (argc < 3 || argc - 3 > MOST)
        return 64;
    manners before = look_at_signals();
    void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (!library || !find(library)) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    int count = argc > 4 ? argc - 3 : 1, failed = 0;
    job jobs[MOST] = {{0}};
    pthread_t threads[MOST];
    for (int i = 0; i < count; i++) {
        jobs[i].function = argv[2];
        jobs[i].arguments = argv[3 + i];
        if (count > 1 && pthread_create(&threads[i], NULL, work, &jobs[i]) != 0)
            return 1;
    }
    if (count == 1)
        work(&jobs[0]);
    for (int i = 0; i < count; i++) {
        if (count > 1)
            pthread_join(threads[i], NULL);
        if (!jobs[i].failed)
            print(&jobs[i]);
        failed |= jobs[i].failed;
        p_siphon_engine_free(jobs[i].engine);
    }
    manners after = look_at_signals();
    dlclose(library);
    if (!same(&before, &after))
        return 3;
    return failed;
}
