/* Operations and objects that behave badly on purpose, for the engine's specs: they complete before their
 * start returned, complete late after a cancel, fail, block, and count what was opened and shut down. */
#include "probe.h"
#include "engine/engine.h"

#include <lauxlib.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

static void nap(double seconds) {
    usleep((useconds_t)(seconds * 1e6));
}

/* --- operations ----------------------------------------------------------------------------------------- */

typedef struct {
    sph_op op;
    double seconds;
    int number;
    uint64_t steps;
    sph_object *made;
} probe_op;

static void *complete_elsewhere(void *op) {
    sph_op_complete(op);
    return NULL;
}

static void start_early(sph_op *op) {
    pthread_t thread;
    pthread_create(&thread, NULL, complete_elsewhere, op);
    pthread_join(thread, NULL);
    nap(0.002);
}

static const sph_op_type early_type = {.name = "probe.early", .start = start_early};

/* probe.early() -> true: completed by another thread before the submitting call returned. */
static int l_probe_early(lua_State *L) {
    probe_op *op = sph_op_new(L, &early_type, sizeof *op);
    return sph_op_await(L, &op->op);
}

static void *complete_late(void *context) {
    probe_op *op = context;
    nap(op->seconds);
    sph_op_complete(&op->op);
    return NULL;
}

static void start_nothing(sph_op *op) {
    (void)op;
}

static void cancel_late(sph_op *op) {
    pthread_t thread;
    pthread_create(&thread, NULL, complete_late, op);
    pthread_detach(thread);
}

static const sph_op_type late_type = {.name = "probe.late", .start = start_nothing, .cancel = cancel_late};

/* probe.late(seconds) -> true: ends only after a cancel, and then with success, so much later. */
static int l_probe_late(lua_State *L) {
    probe_op *op = sph_op_new(L, &late_type, sizeof *op);
    op->seconds = luaL_checknumber(L, 1);
    return sph_op_await(L, &op->op);
}

static sph_op *abandoned; /* the one that probe.finish() ends */

static void start_abandoned(sph_op *op) {
    abandoned = op;
}

static void cancel_nothing(sph_op *op) {
    (void)op;
}

static const sph_op_type abandoned_type = {
    .name = "probe.abandoned", .flags = SPH_OP_ABANDON, .start = start_abandoned, .cancel = cancel_nothing};

/* probe.abandoned(): does not end by itself, nor by a cancel, but its waiter leaves at once then. */
static int l_probe_abandoned(lua_State *L) {
    return sph_op_await(L, sph_op_new(L, &abandoned_type, sizeof(probe_op)));
}

/* probe.finish(): ends it. */
static int l_probe_finish(lua_State *L) {
    (void)L;
    sph_op_complete(abandoned);
    return 0;
}

static void run_block(sph_op *op) {
    double until = sph_now() + ((probe_op *)op)->seconds;
    while (sph_now() < until)
        if (sph_op_is_cancelled(op)) {
            sph_op_check(op, -ECANCELED, "stopped");
            return;
        } else {
            nap(0.001);
        }
}

static const sph_op_type block_type = {.name = "probe.block", .run = run_block};

/* probe.block(seconds) -> true: blocks a worker; can be cancelled. */
static int l_probe_block(lua_State *L) {
    probe_op *op = sph_op_new(L, &block_type, sizeof *op);
    op->seconds = luaL_checknumber(L, 1);
    return sph_op_await(L, &op->op);
}

static void run_fail(sph_op *op) {
    sph_op_fail(op, sph_error_where(sph_error_errno(((probe_op *)op)->number, op->type->name, "as asked"),
                                    SPH_WHERE_POOL, "volumes"));
}

static const sph_op_type fail_type = {.name = "probe.fail", .run = run_fail};

/* probe.fail(errno) -> nil, err */
static int l_probe_fail(lua_State *L) {
    probe_op *op = sph_op_new(L, &fail_type, sizeof *op);
    op->number = (int)luaL_checkinteger(L, 1);
    return sph_op_await(L, &op->op);
}

static void run_steps(sph_op *op) {
    uint64_t steps = ((probe_op *)op)->steps;
    for (uint64_t i = 1; i <= steps && !sph_op_is_cancelled(op); i++) {
        sph_op_progress(op, i, steps);
        nap(0.001);
    }
    sph_op_progress(op, steps, steps);
}

static const sph_op_type steps_type = {.name = "probe.steps", .run = run_steps};

/* probe.steps(n, {progress = fn}) -> true: n reports of progress, 1 ms apart, the last one twice. */
static int l_probe_steps(lua_State *L) {
    probe_op *op = sph_op_new(L, &steps_type, sizeof *op);
    op->steps = (uint64_t)luaL_checkinteger(L, 1);
    sph_op_progress_option(L, &op->op, 2);
    return sph_op_await(L, &op->op);
}

/* --- objects -------------------------------------------------------------------------------------------- */

static atomic_int opened, shut;
static atomic_bool held;

static void shut_down(sph_object *object) {
    (void)object;
    nap(0.001);
    for (int i = 0; atomic_load(&held) && i < 10000; i++)
        nap(0.001);
    atomic_fetch_add(&shut, 1);
}

static void describe(const sph_object *object, char *buffer, size_t size) {
    snprintf(buffer, size, "%s", object->parent ? "child" : "root");
}

static const sph_object_type thing_type = {
    .name = "siphon.probe.Thing", .shutdown = shut_down, .describe = describe};

static void run_open(sph_op *op) {
    (void)op;
    nap(0.001);
    atomic_fetch_add(&opened, 1);
}

static int push_open(lua_State *L, sph_op *op) {
    sph_object_push(L, ((probe_op *)op)->made);
    return 1;
}

static void release_open(sph_op *op) {
    if (((probe_op *)op)->made)
        sph_object_unref(((probe_op *)op)->made);
}

static const sph_op_type open_type = {
    .name = "probe.open", .run = run_open, .push = push_open, .release = release_open};

/* probe.open(parent?) -> Thing */
static int l_probe_open(lua_State *L) {
    sph_object *parent = lua_isnoneornil(L, 1) ? NULL : sph_object_check(L, 1, &thing_type);
    probe_op *op = sph_op_new(L, &open_type, sizeof *op);
    op->made = sph_object_new(op->op.engine, &thing_type, sizeof(sph_object), parent);
    if (!op->made)
        sph_error_no_memory(L);
    return sph_op_await(L, &op->op);
}

/* thing:work(seconds) -> true: an operation that uses it. */
static int l_thing_work(lua_State *L) {
    sph_object *thing = sph_object_check(L, 1, &thing_type);
    probe_op *op = sph_op_new(L, &block_type, sizeof *op);
    sph_op_use(&op->op, thing);
    op->seconds = luaL_checknumber(L, 2);
    return sph_op_await(L, &op->op);
}

/* probe.counts() -> opened, shut down */
static int l_probe_counts(lua_State *L) {
    lua_pushinteger(L, atomic_load(&opened));
    lua_pushinteger(L, atomic_load(&shut));
    return 2;
}

/* probe.hold(): what is shut down from now on takes until probe.let_go(), or 10 seconds. */
static int l_probe_hold(lua_State *L) {
    (void)L;
    atomic_store(&held, true);
    return 0;
}

static int l_probe_let_go(lua_State *L) {
    (void)L;
    atomic_store(&held, false);
    return 0;
}

/* probe.interrupt_in(seconds): as a signal handler would, from another thread. */
static void *interrupt(void *context) {
    nap(0.02);
    if (!sph_engine_ask(context, SIGINT))
        sph_engine_interrupt(context);
    return NULL;
}

static int l_probe_interrupt_soon(lua_State *L) {
    pthread_t thread;
    pthread_create(&thread, NULL, interrupt, sph_engine_of(L));
    pthread_detach(thread);
    return 0;
}

int sph_open_probe(lua_State *L) {
    static const luaL_Reg methods[] = {{"work", l_thing_work}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"early", l_probe_early},
                                         {"late", l_probe_late},
                                         {"abandoned", l_probe_abandoned},
                                         {"finish", l_probe_finish},
                                         {"block", l_probe_block},
                                         {"fail", l_probe_fail},
                                         {"steps", l_probe_steps},
                                         {"open", l_probe_open},
                                         {"counts", l_probe_counts},
                                         {"hold", l_probe_hold},
                                         {"let_go", l_probe_let_go},
                                         {"interrupt_soon", l_probe_interrupt_soon},
                                         {NULL, NULL}};
    sph_object_register(L, &thing_type, methods, NULL);
    luaL_newlib(L, functions);
    return 1;
}
