/* siphon.task: tasks, and what they wait with. */
#include "bind/bind.h"

#include "engine/engine.h"
#include "engine/task.h"

#include <lauxlib.h>

#include <errno.h>
#include <math.h>

/* --- tasks ---------------------------------------------------------------------------------------------- */

/*** task.spawn(fn, ...) -> Task
 * Starts fn(...) as a child of the running task (as a root outside of tasks). The parent ends only when its
 * children have; a child that fails cancels its parent and is what the parent then ends with. */
static int l_task_spawn(lua_State *L) {
    sph_task_new(L, lua_gettop(L), false);
    return 1;
}

/*** task:spawn(fn, ...) -> Task
 * The same as a child of that task, which must not have ended: what is begun here may go on when the running task is
 * over. */
static int l_task_spawn_in(lua_State *L) {
    sph_task *parent = sph_task_check(L, 1);
    if (parent->state == SPH_TASK_DONE)
        return sph_error_misuse(L, "task.ended", "task.spawn",
                                "the task that was to be the parent has ended");
    sph_task_new_in(L, lua_gettop(L) - 1, parent, false);
    return 1;
}

/*** task.scope(fn, ...) -> what fn returns
 * Runs fn in a child of its own and waits for it and for all that it spawned. A failure there is raised here,
 * and here alone: the calling task is not cancelled by it. */
static int l_task_scope(lua_State *L) {
    return sph_task_scope(L, sph_task_new(L, lua_gettop(L), true), -1);
}

/*** task.timeout(seconds, fn, ...) -> what fn returns | nil, err
 * A scope that is cancelled when the time is over, also in a shield; then the error's code is "timeout". What cannot
 * be cancelled, and what shields itself within, is waited for. */
static int l_task_timeout(lua_State *L) {
    double seconds = luaL_checknumber(L, 1);
    luaL_argcheck(L, seconds >= 0 && isfinite(seconds), 1, "a number of seconds, 0 or more");
    return sph_task_scope(L, sph_task_new(L, lua_gettop(L) - 1, true), seconds);
}

/*** task:join() -> what its function returned
 * Waits for the task; raises its error if it failed or was cancelled. */
static int l_task_join(lua_State *L) {
    return sph_task_join(L, sph_task_check(L, 1));
}

/*** task:cancel()
 * Asks the task and its children to end: every operation that they start from now on raises an error of code
 * "cancelled", and the one they wait for is stopped if it can be. Returns at once; join() waits. */
static int l_task_cancel(lua_State *L) {
    sph_task_cancel(sph_task_check(L, 1));
    return 0;
}

/*** task:status() -> "running" | "done" | "failed" | "cancelled" */
static int l_task_status(lua_State *L) {
    lua_pushstring(L, sph_task_status(sph_task_check(L, 1)));
    return 1;
}

static sph_task *current_task(lua_State *L) {
    return sph_engine_current(sph_engine_of(L));
}

/*** task.current() -> Task | nil
 * The task that calls; nil outside of tasks. */
static int l_task_current(lua_State *L) {
    sph_task *task = current_task(L);
    if (!task)
        lua_pushnil(L);
    else
        lua_rawgetp(L, LUA_REGISTRYINDEX, task);
    return 1;
}

static int depth_ended(lua_State *L, int status, lua_KContext former) {
    current_task(L)->shield = (unsigned)former;
    if (status != LUA_OK && status != LUA_YIELD)
        return lua_error(L);
    return lua_gettop(L) - 1;
}

/* Calls the function with its arguments under so many shields, and has the former number of them back after it. Outside
 * of tasks there is nothing to shield from. */
static int call_at_depth(lua_State *L, sph_task *task, unsigned depth) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    int arguments = lua_gettop(L) - 1;
    if (!task) {
        lua_call(L, arguments, LUA_MULTRET);
        return lua_gettop(L);
    }
    lua_pushcfunction(L, sph_task_traceback);
    lua_insert(L, 1);
    lua_KContext former = (lua_KContext)task->shield;
    task->shield = depth;
    return depth_ended(L, lua_pcallk(L, arguments, LUA_MULTRET, 1, former, depth_ended), former);
}

/*** task.shield(fn, ...) -> what fn returns
 * Runs fn so that a cancellation does not reach into it: for cleaning up. It is raised at the first
 * checkpoint after the shield. */
static int l_task_shield(lua_State *L) {
    sph_task *task = current_task(L);
    return call_at_depth(L, task, task ? task->shield + 1 : 0);
}

/*** task.expose(fn, ...) -> what fn returns
 * Runs fn so that a cancellation reaches into it, although there is a shield around the call: for what may be
 * interrupted in the middle of what may not. A cancellation may be raised at any instruction of a busy task, also
 * between a pcall and what follows it:
 *   task.shield(function()
 *     local ok, err = pcall(task.expose, work)
 *     undo(ok, err) -- sure to run
 *   end) */
static int l_task_expose(lua_State *L) {
    return call_at_depth(L, current_task(L), 0);
}

/* --- sleep ---------------------------------------------------------------------------------------------- */

typedef struct {
    sph_op op;
    sph_timer timer;
    double seconds;
} sleep_op;

static void wake_up(sph_timer *timer) {
    sph_op_complete((sph_op *)((char *)timer - offsetof(sleep_op, timer)));
}

static void start_sleep(sph_op *op) {
    sleep_op *nap = (sleep_op *)op;
    nap->timer.fire = wake_up;
    if (sph_op_check(op, sph_timer_start(sph_engine_loop(op->engine), &nap->timer, nap->seconds),
                     "no timer") < 0)
        sph_op_complete(op);
}

static void cancel_sleep(sph_op *op) {
    sleep_op *nap = (sleep_op *)op;
    if (!nap->timer.slot)
        return;
    sph_timer_stop(sph_engine_loop(op->engine), &nap->timer);
    sph_op_check(op, -ECANCELED, "woken");
    sph_op_complete(op);
}

static const sph_op_type sleep_type = {
    .name = "task.sleep", .flags = SPH_OP_IDLE, .start = start_sleep, .cancel = cancel_sleep};

/*** task.sleep(seconds) -> true
 * Lets the others run meanwhile; 0 just gives them their turn. */
static int l_task_sleep(lua_State *L) {
    double seconds = luaL_checknumber(L, 1);
    luaL_argcheck(L, seconds >= 0 && isfinite(seconds), 1, "a number of seconds, 0 or more");
    sleep_op *op = sph_op_new(L, &sleep_type, sizeof *op);
    op->seconds = seconds;
    return sph_op_await(L, &op->op);
}

/*** task.checkpoint() -> true
 * Raises if the task was cancelled; otherwise lets the others run. */
static int l_task_checkpoint(lua_State *L) {
    lua_settop(L, 0);
    lua_pushinteger(L, 0);
    return l_task_sleep(L);
}

/*** task.now() -> seconds
 * On the monotonic clock: for measuring, not for dates. */
static int l_task_now(lua_State *L) {
    lua_pushnumber(L, sph_now());
    return 1;
}

/*** task.on_interrupt(fn | nil, all?)
 * What Ctrl-C does from now on, instead of cancelling the main task: fn "INT" is called as soon as it is noticed, also
 * from the midst of a busy loop, and cannot wait; of several before that only one may be. all: the same for SIGTERM
 * and SIGHUP, "TERM" and "HUP". nil: as before. */
static int l_task_on_interrupt(lua_State *L) {
    if (!lua_isnoneornil(L, 1))
        luaL_checktype(L, 1, LUA_TFUNCTION);
    bool all = lua_toboolean(L, 2);
    lua_settop(L, 1);
    sph_engine_on_interrupt(L, all);
    return 0;
}

int sph_open_task(lua_State *L) {
    static const luaL_Reg methods[] = {{"spawn", l_task_spawn_in},
                                       {"join", l_task_join},
                                       {"cancel", l_task_cancel},
                                       {"status", l_task_status},
                                       {NULL, NULL}};
    static const luaL_Reg functions[] = {{"spawn", l_task_spawn},
                                         {"scope", l_task_scope},
                                         {"timeout", l_task_timeout},
                                         {"current", l_task_current},
                                         {"shield", l_task_shield},
                                         {"expose", l_task_expose},
                                         {"sleep", l_task_sleep},
                                         {"now", l_task_now},
                                         {"checkpoint", l_task_checkpoint},
                                         {"on_interrupt", l_task_on_interrupt},
                                         {NULL, NULL}};
    sph_task_open(L, methods);
    luaL_newlib(L, functions);
    sph_open_semaphore(L);
    lua_setfield(L, -2, "semaphore");
    return 1;
}
