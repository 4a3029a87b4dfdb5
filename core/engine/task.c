#include "engine/internal.h"

#include <lauxlib.h>

#include <errno.h>
#include <string.h>

#define METATABLE "siphon.Task"

enum { VALUE_COROUTINE = 1, VALUE_CULPRIT = 2 }; /* the userdata's user values */

typedef struct join_op {
    sph_op op;
    sph_task *task;
    struct join_op *next;
} join_op;

void sph_task_ref(sph_task *task) {
    task->refs++;
}

void sph_task_unref(sph_task *task) {
    if (--task->refs == 0)
        sph_free(task);
}

bool sph_task_is_cancelled(const sph_task *task) {
    return task->cancelled && (!task->shield || (task->expired && task->shield <= task->shelter));
}

const char *sph_task_status(const sph_task *task) {
    if (task->state != SPH_TASK_DONE)
        return "running";
    if (!task->failed)
        return "done";
    return task->cancelled_end ? "cancelled" : "failed";
}

/* --- checkpoints ---------------------------------------------------------------------------------------- */

int sph_task_raise_cancelled(lua_State *L) {
    sph_error cancelled = {.code = "cancelled", .op = "task", .message = (char[]){"cancelled"}};
    sph_error_push(L, &cancelled);
    return lua_error(L);
}

void sph_task_checkpoint(lua_State *L, const char *op, unsigned flags) {
    sph_engine *engine = sph_engine_of(L);
    sph_task *task = engine->current;
    if (!task) {
        if (engine->stepping)
            sph_error_misuse(L, "task.not_yieldable", op,
                             "a progress function cannot wait; spawn a task from outside of it");
        if (engine->closing)
            sph_error_misuse(L, "closing", op, "the engine is closing");
        return;
    }
    if (task->co != L)
        sph_error_misuse(L, "task.not_yieldable", op,
                         "a coroutine that is not a task cannot wait; use siphon.task.spawn");
    if (sph_task_is_cancelled(task) && !(flags & SPH_OP_SHIELDED))
        sph_task_raise_cancelled(L);
    if (!lua_isyieldable(L))
        sph_error_misuse(L, "task.not_yieldable", op,
                         "Lua cannot wait inside table.sort, string.gsub, require, load, __gc or __tostring; "
                         "call it before and hand the result in");
}

/* --- making and ending ---------------------------------------------------------------------------------- */

int sph_task_traceback(lua_State *L) {
    if (lua_isstring(L, 1)) {
        lua_createtable(L, 0, 3);
        lua_pushliteral(L, "lua.error");
        lua_setfield(L, -2, "code");
        lua_pushliteral(L, "lua");
        lua_setfield(L, -2, "op");
        lua_pushvalue(L, 1);
        lua_setfield(L, -2, "message");
        lua_newtable(L);
        lua_setfield(L, -2, "where");
        luaL_setmetatable(L, "siphon.Error");
        lua_replace(L, 1);
    } else if (!luaL_getmetafield(L, 1, "__name")) {
        return 1;
    }
    lua_settop(L, 1);
    if (lua_istable(L, 1) && lua_getfield(L, 1, "traceback") == LUA_TNIL) {
        luaL_traceback(L, L, NULL, 1);
        lua_setfield(L, 1, "traceback");
    }
    lua_settop(L, 1);
    return 1;
}

static int body_ended(lua_State *L, int status, lua_KContext context) {
    (void)context;
    bool ok = status == LUA_OK || status == LUA_YIELD;
    if (!ok && lua_istable(L, -1)) {
        lua_pushliteral(L, "code");
        lua_rawget(L, -2);
        sph_task *task = sph_engine_of(L)->current;
        task->cancelled_end =
            task->cancelled && lua_isstring(L, -1) && strcmp(lua_tostring(L, -1), "cancelled") == 0;
        lua_pop(L, 1);
    }
    lua_pushboolean(L, ok);
    lua_replace(L, 1);
    return lua_gettop(L);
}

/* A task's coroutine: (function, arguments...) -> true, results... | false, error. */
static int l_body(lua_State *L) {
    lua_pushcfunction(L, sph_task_traceback);
    lua_insert(L, 1);
    return body_ended(L, lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 1, 0, body_ended), 0);
}

static void make_ready(sph_task *task) {
    sph_engine *engine = task->engine;
    if (task->queued)
        return;
    task->queued = true;
    task->next_ready = NULL;
    if (engine->ready)
        engine->ready_last->next_ready = task;
    else
        engine->ready = task;
    engine->ready_last = task;
    sph_loop_wake(engine->loop);
}

void sph_task_wake(sph_task *task) {
    if (!task->waiting)
        return;
    task->waiting->waiter = NULL;
    task->waiting = NULL;
    make_ready(task);
}

static sph_task **siblings(sph_task *task) {
    return task->parent ? &task->parent->children : &task->engine->roots;
}

sph_task *sph_task_new(lua_State *L, int n, bool contained) {
    return sph_task_new_in(L, n, sph_engine_of(L)->current, contained);
}

sph_task *sph_task_new_in(lua_State *L, int n, sph_task *parent, bool contained) {
    sph_engine *engine = sph_engine_of(L);
    if (parent && sph_task_is_cancelled(parent))
        sph_task_raise_cancelled(L);
    luaL_checktype(L, -n, LUA_TFUNCTION);
    luaL_checkstack(L, 8, NULL);
    sph_task **box = lua_newuserdatauv(L, sizeof *box, 2);
    *box = NULL;
    luaL_setmetatable(L, METATABLE);
    sph_task *task = sph_alloc(sizeof *task);
    if (!task)
        sph_error_no_memory(L);
    task->engine = engine;
    task->refs = 1;
    task->contained = contained;
    task->state = SPH_TASK_DONE; /* until it is linked */
    *box = task;
    task->co = lua_newthread(L);
    lua_setiuservalue(L, -2, VALUE_COROUTINE);
    if (!lua_checkstack(task->co, n + LUA_MINSTACK))
        sph_error_no_memory(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, task); /* the last that can raise */
    lua_insert(L, -n - 1);
    lua_pushcfunction(task->co, l_body);
    lua_xmove(L, task->co, n);

    task->state = SPH_TASK_RUNNING;
    task->parent = parent;
    if (parent) {
        task->shield = task->shelter = parent->shield ? 1 : 0;
        task->in_shield = parent->shield > parent->shelter;
        task->expired = parent->expired && !task->in_shield;
        task->cancelled = parent->cancelled;
    }
    sph_task **list = siblings(task);
    task->next = *list;
    if (task->next)
        task->next->prev = task;
    *list = task;
    task->refs++;
    make_ready(task);
    return task;
}

/* The parent's end is now this child's error. Nothing here may need memory. */
static void blame(sph_task *task) {
    sph_task *parent = task->parent;
    lua_State *co = task->co;
    if (!parent->has_culprit && lua_checkstack(co, 2)) {
        parent->has_culprit = true;
        lua_rawgetp(co, LUA_REGISTRYINDEX, parent);
        lua_pushvalue(co, 2);
        lua_setiuservalue(co, -2, VALUE_CULPRIT);
        lua_pop(co, 1);
    }
    task->observed = true;
    sph_task_cancel(parent);
}

static void conclude(sph_task *task) {
    sph_engine *engine = task->engine;
    lua_State *co = task->co;
    if (task->has_culprit && (!task->failed || task->cancelled_end)) {
        lua_settop(co, 0);
        lua_pushboolean(co, 0);
        lua_rawgetp(co, LUA_REGISTRYINDEX, task);
        lua_getiuservalue(co, -1, VALUE_CULPRIT);
        lua_remove(co, -2);
        task->failed = true;
        task->cancelled_end = false;
    }
    task->state = SPH_TASK_DONE;
    sph_timer_stop(engine->loop, &task->timer);
    sph_task *parent = task->parent;
    if (task->prev)
        task->prev->next = task->next;
    else
        *siblings(task) = task->next;
    if (task->next)
        task->next->prev = task->prev;
    if (parent && task->failed && !task->contained && !task->cancelled_end)
        blame(task);
    task->parent = NULL;
    for (join_op *join = task->joiners, *next; join; join = next) {
        next = join->next;
        sph_op_complete(&join->op);
    }
    task->joiners = NULL;
    if (task->on_end)
        task->on_end(task);
    if (lua_checkstack(co, 1)) {
        lua_pushnil(co);
        lua_rawsetp(co, LUA_REGISTRYINDEX, task);
    }
    sph_task_unref(task);
    if (parent && parent->state == SPH_TASK_ENDING && !parent->children)
        conclude(parent);
}

/* The body is over: the task ends with its last child. */
static void ended(sph_task *task) {
    task->failed = !lua_toboolean(task->co, 1);
    task->state = SPH_TASK_ENDING;
    if (task->failed)
        for (sph_task *child = task->children, *next; child; child = next) {
            next = child->next;
            sph_task_cancel(child);
        }
    if (!task->children)
        conclude(task);
}

static void resume(sph_task *task) {
    sph_engine *engine = task->engine;
    lua_State *co = task->co;
    int n = 0;
    int arguments = task->started ? 0 : lua_gettop(co) - 1;
    task->started = true;
    engine->current = task;
    int status = lua_resume(co, NULL, arguments, &n);
    engine->current = NULL;
    if (status == LUA_YIELD) {
        lua_pop(co, n);
        if (!task->waiting) /* a plain coroutine.yield: the others' turn */
            make_ready(task);
        return;
    }
    if (status != LUA_OK) {
        lua_resetthread(co);
        lua_pushboolean(co, 0);
        lua_insert(co, 1);
    }
    ended(task);
}

void sph_tasks_run(sph_engine *engine) {
    sph_task *last = engine->ready_last;
    for (bool more = engine->ready; more;) {
        sph_task *task = engine->ready;
        more = task != last;
        engine->ready = task->next_ready;
        task->queued = false;
        if (task->state == SPH_TASK_RUNNING)
            resume(task);
    }
}

void sph_task_cancel(sph_task *task) {
    if (task->state == SPH_TASK_DONE)
        return;
    task->cancelled = true;
    for (sph_task *child = task->children, *next; child; child = next) {
        next = child->next;
        sph_task_cancel(child);
    }
    if (task->waiting && sph_task_is_cancelled(task) && !(task->waiting->type->flags & SPH_OP_SHIELDED))
        sph_op_cancel(task->waiting);
}

void sph_task_interrupt(sph_task *task) {
    sph_engine *engine = task->engine;
    atomic_store(&task->interrupted, true);
    atomic_store(&engine->roots_interrupted, true);
    sph_loop_wake(engine->loop);
}

void sph_tasks_forget(sph_engine *engine) {
    engine->ready = NULL;
    while (engine->roots) {
        sph_task *task = engine->roots;
        while (task->children)
            task = task->children;
        sph_task **list = siblings(task);
        *list = task->next;
        if (task->next)
            task->next->prev = NULL;
        if (task->waiting)
            task->waiting->waiter = NULL;
        sph_timer_stop(engine->loop, &task->timer);
        task->state = SPH_TASK_DONE;
        sph_task_unref(task);
    }
}

/* --- joining -------------------------------------------------------------------------------------------- */

int sph_task_results(lua_State *L, sph_task *task) {
    lua_State *co = task->co;
    int n = lua_gettop(co) - 1;
    task->observed = true;
    if (task->timed_out && task->cancelled_end) {
        sph_error timeout = {
            .code = "timeout", .op = "task", .message = (char[]){"the time ran out"}, .retryable = true};
        lua_pushnil(L);
        sph_error_push(L, &timeout);
        return 2;
    }
    luaL_checkstack(L, n + 1, NULL);
    if (!lua_checkstack(co, 1))
        sph_error_no_memory(L);
    for (int i = 1; i <= n; i++) {
        lua_pushvalue(co, i + 1);
        lua_xmove(co, L, 1);
    }
    return task->failed ? lua_error(L) : n;
}

static void start_join(sph_op *op) {
    join_op *join = (join_op *)op;
    if (join->task->state == SPH_TASK_DONE) {
        sph_op_complete(op);
        return;
    }
    join->next = join->task->joiners;
    join->task->joiners = join;
}

/* The task may go on for long: its joiner need not. */
static void cancel_join(sph_op *op) {
    join_op *join = (join_op *)op;
    for (join_op **link = &join->task->joiners; *link; link = &(*link)->next)
        if (*link == join) {
            *link = join->next;
            sph_op_complete(op);
            return;
        }
}

static int push_join(lua_State *L, sph_op *op) {
    return sph_task_results(L, ((join_op *)op)->task);
}

static void release_join(sph_op *op) {
    sph_task_unref(((join_op *)op)->task);
}

static const sph_op_type join_type = {.name = "task.join",
                                      .flags = SPH_OP_ABANDON,
                                      .start = start_join,
                                      .cancel = cancel_join,
                                      .push = push_join,
                                      .release = release_join};
/* A scope's caller waits for the scope's end, which its cancellation brings about. */
static const sph_op_type scope_type = {.name = "task.scope",
                                       .flags = SPH_OP_IDLE,
                                       .start = start_join,
                                       .push = push_join,
                                       .release = release_join};

static int wait_for(lua_State *L, sph_task *task, const sph_op_type *type) {
    join_op *join = sph_op_new(L, type, sizeof *join);
    task->refs++;
    join->task = task;
    return sph_op_await(L, &join->op);
}

int sph_task_join(lua_State *L, sph_task *task) {
    for (sph_task *self = task->engine->current; self; self = self->parent)
        if (self == task)
            return sph_error_misuse(L, "task.deadlock", "task.join",
                                    "a task cannot wait for itself or its parent");
    return wait_for(L, task, &join_type);
}

/* What bounds an undo has to reach it in the shield that it is in. Shields within the task hold. */
static void expire(sph_task *task) {
    task->expired = true;
    for (sph_task *child = task->children; child; child = child->next)
        if (!child->in_shield)
            expire(child);
}

static void time_out(sph_timer *timer) {
    sph_task *task = (sph_task *)((char *)timer - offsetof(sph_task, timer));
    task->timed_out = true;
    expire(task);
    sph_task_cancel(task);
}

int sph_task_scope(lua_State *L, sph_task *task, double seconds) {
    if (seconds >= 0) {
        task->timer.fire = time_out;
        if (sph_timer_start(task->engine->loop, &task->timer, seconds) < 0) {
            sph_task_cancel(task);
            sph_error_no_memory(L);
        }
    }
    return wait_for(L, task, &scope_type);
}

/* --- the userdata --------------------------------------------------------------------------------------- */

sph_task *sph_task_check(lua_State *L, int idx) {
    sph_task **box = luaL_checkudata(L, idx, METATABLE);
    return *box;
}

static int l_task_gc(lua_State *L) {
    sph_task **box = lua_touserdata(L, 1);
    sph_task *task = *box;
    *box = NULL;
    if (!task)
        return 0;
    if (task->state == SPH_TASK_DONE && task->failed && !task->cancelled_end && !task->observed)
        lua_warning(L, "a task failed and nobody joined it", 0);
    sph_task_unref(task);
    return 0;
}

static int l_task_tostring(lua_State *L) {
    lua_pushfstring(L, "%s (%s)", METATABLE, sph_task_status(sph_task_check(L, 1)));
    return 1;
}

void sph_task_open(lua_State *L, const luaL_Reg *methods) {
    static const luaL_Reg meta[] = {{"__gc", l_task_gc}, {"__tostring", l_task_tostring}, {NULL, NULL}};
    luaL_newmetatable(L, METATABLE);
    luaL_setfuncs(L, meta, 0);
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
