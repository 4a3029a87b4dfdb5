/* Several engines at once, and what another thread may do. */
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

/* --- an engine in each of several threads ----------------------------------------------------------------- */

static void *work(void *context) {
    char *result = context;
    witness w = {0};
    siphon_engine *engine = new_engine(&w);
    siphon_call *call;
    if (engine &&
        siphon_call_start_lua(
            &call, engine, "own = (own or 0) + 1 for i = 1, 20 do siphon.task.sleep(0.0001) end return own",
            NULL, NULL, NULL) == 0 &&
        siphon_run(engine) == 0 && siphon_call_result(call))
        *result = *siphon_call_result(call);
    siphon_engine_free(engine);
    return NULL;
}

static void each_its_own(void) {
    pthread_t threads[4];
    char results[4] = "....";
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, work, &results[i]) == 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        CHECK(results[i] == '1'); /* nobody else's global */
    }
}

/* --- cancel and wake from elsewhere ------------------------------------------------------------------------ */

static void *cancel(void *call) {
    siphon_cancel(call);
    return NULL;
}

static void from_another_thread(const char *text) {
    witness w = {0};
    siphon_engine *engine = new_engine(&w);
    siphon_call *call;
    pthread_t thread;
    CHECK(siphon_call_start_lua(&call, engine, text, NULL, NULL, NULL) == 0);
    CHECK(pthread_create(&thread, NULL, cancel, call) == 0);
    CHECK(siphon_run(engine) == 0);
    CHECK(siphon_call_state(call) == SIPHON_CANCELLED);
    pthread_join(thread, NULL);
    siphon_engine_free(engine);
}

/* At whatever moment it comes, it is not lost. */
static void at_any_moment(void) {
    for (int i = 0; i < 200; i++)
        from_another_thread("siphon.task.sleep(3600)");
    from_another_thread("while true do end");
    from_another_thread("while true do pcall(siphon.task.sleep, 0) end");
}

static atomic_bool stop;

static void *wake_often(void *engine) {
    while (!atomic_load(&stop))
        siphon_wake(engine);
    return NULL;
}

static void woken_often(void) {
    witness w = {0};
    siphon_engine *engine = new_engine(&w);
    siphon_call *call;
    pthread_t thread;
    atomic_store(&stop, false);
    CHECK(siphon_call_start_lua(&call, engine, "for i = 1, 50 do siphon.task.sleep(0) end return 'done'",
                                NULL, NULL, NULL) == 0);
    CHECK(pthread_create(&thread, NULL, wake_often, engine) == 0);
    while (siphon_run(engine) > 0)
        continue;
    CHECK_TEXT("\"done\"", siphon_call_result(call));
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    siphon_engine_free(engine);
}

/* --- signals ---------------------------------------------------------------------------------------------- */

static siphon_call *to_cancel;

static void on_alarm(int number) {
    (void)number;
    siphon_cancel(to_cancel);
}

static void from_a_signal_handler(void) {
    witness w = {0};
    siphon_engine *engine = new_engine(&w);
    struct sigaction before, action = {.sa_handler = on_alarm};
    sigaction(SIGALRM, &action, &before);
    CHECK(siphon_call_start_lua(&to_cancel, engine, "siphon.task.sleep(3600)", NULL, NULL, NULL) == 0);
    ualarm(1000, 0);
    CHECK(siphon_run(engine) == 0);
    CHECK(siphon_call_state(to_cancel) == SIPHON_CANCELLED);
    sigaction(SIGALRM, &before, NULL);
    siphon_engine_free(engine);
}

/* No engine changes how the process takes signals. */
static void signals_are_the_hosts(void) {
    for (int number = 1; number < NSIG; number++) {
        struct sigaction action;
        if (sigaction(number, NULL, &action) == 0 && number != SIGALRM)
            CHECK(action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN || number == SIGSEGV ||
                  number == SIGBUS || number == SIGFPE);
    }
}

void test_threads(void) {
    each_its_own();
    at_any_moment();
    woken_often();
    from_a_signal_handler();
    signals_are_the_hosts();
}
