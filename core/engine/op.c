#include "engine/fault.h"
#include "engine/internal.h"

#include <lauxlib.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ANCHOR "siphon.Operation"

typedef struct block {
    struct block *next;
    max_align_t bytes[];
} block;

void sph_op_ref(sph_op *op) {
    op->refs++;
}

static void give_up_uses(sph_op *op) {
    for (int i = 0; i < SPH_OP_USES; i++)
        if (op->uses[i]) {
            sph_object *object = op->uses[i];
            op->uses[i] = NULL;
            if (op->started)
                sph_object_let_go(object);
            else
                sph_object_unref(object);
        }
}

void sph_op_unref(sph_op *op) {
    if (--op->refs)
        return;
    const sph_op_type *type = op->type;
    sph_error *error = op->error;
    block *arena = op->arena;
    give_up_uses(op); /* of one that was never started */
    if (type->release)
        type->release(op); /* frees an embedded one together with what it is embedded in */
    sph_error_free(error);
    while (arena) {
        block *b = arena;
        arena = b->next;
        sph_free(b);
    }
    if (!(type->flags & SPH_OP_EMBEDDED))
        sph_free(op);
}

static int l_anchor_gc(lua_State *L) {
    void **anchor = lua_touserdata(L, 1);
    sph_op *op = *anchor;
    *anchor = NULL;
    if (op) {
        op->anchor = NULL;
        op->progress_thread = NULL;
        sph_op_unref(op);
    }
    return 0;
}

void sph_op_open(lua_State *L) {
    luaL_newmetatable(L, ANCHOR);
    lua_pushcfunction(L, l_anchor_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
}

/* --- making one ----------------------------------------------------------------------------------------- */

void *sph_op_new(lua_State *L, const sph_op_type *type, size_t size) {
    sph_task_checkpoint(L, type->name, type->flags);
    luaL_checkstack(L, 10, NULL);
    void **anchor = lua_newuserdatauv(L, sizeof *anchor, 1);
    *anchor = NULL;
    luaL_setmetatable(L, ANCHOR);
    sph_op *op = sph_alloc(size);
    if (!op)
        sph_error_no_memory(L);
    op->type = type;
    op->engine = sph_engine_of(L);
    op->refs = 1;
    op->anchor = anchor;
    *anchor = op;
    return op;
}

void *sph_op_bytes(lua_State *L, sph_op *op, size_t size) {
    block *b = sph_alloc(sizeof *b + size);
    if (!b)
        sph_error_no_memory(L);
    b->next = op->arena;
    op->arena = b;
    return b->bytes;
}

const void *sph_op_data(lua_State *L, sph_op *op, int idx, size_t *length) {
    const char *s = luaL_checklstring(L, idx, length);
    char *copy = sph_op_bytes(L, op, *length + 1);
    return memcpy(copy, s, *length);
}

const char *sph_op_string(lua_State *L, sph_op *op, int idx) {
    if (lua_isnoneornil(L, idx))
        return NULL;
    size_t length;
    const char *s = sph_op_data(L, op, idx, &length);
    if (strlen(s) != length)
        luaL_argerror(L, idx, "the string contains a zero byte");
    return s;
}

void sph_op_use(sph_op *op, sph_object *object) {
    for (int i = 0; i < SPH_OP_USES; i++)
        if (!op->uses[i]) {
            op->uses[i] = object;
            sph_object_ref(object);
            return;
        }
}

/* --- progress ------------------------------------------------------------------------------------------- */

static void tell_progress(sph_op *op) {
    lua_State *T = op->progress_thread;
    if (!T || !op->engine->L || op->abandoned)
        return;
    op->told_done = atomic_load(&op->progress_done); /* first: a total that grows is never behind it */
    op->told_total = atomic_load(&op->progress_total);
    lua_settop(T, 1);
    lua_pushvalue(T, 1);
    lua_pushinteger(T, (lua_Integer)op->told_done);
    lua_pushinteger(T, (lua_Integer)op->told_total);
    if (lua_pcall(T, 2, 0, 0) != LUA_OK) {
        const char *message = lua_tostring(T, -1);
        sph_op_fail(op, sph_error_new("lua.error", op->type->name, "the progress function failed: %s",
                                      message ? message : "an error that is not a string"));
        sph_op_cancel(op);
    }
    lua_settop(T, 1);
}

static void report_progress(sph_post *post) {
    sph_op *op = (sph_op *)((char *)post - offsetof(sph_op, progress_post));
    atomic_store(&op->progress_posted, false);
    tell_progress(op);
}

/* librbd's rollback never says that all is done: what it said last has to do. */
static void report_end(sph_op *op) {
    if (!op->error && (atomic_load(&op->progress_done) != op->told_done ||
                       atomic_load(&op->progress_total) != op->told_total))
        tell_progress(op);
}

void sph_op_progress_option(lua_State *L, sph_op *op, int idx) {
    if (lua_isnoneornil(L, idx) || lua_getfield(L, idx, "progress") == LUA_TNIL)
        return;
    if (!lua_isfunction(L, -1))
        luaL_argerror(L, idx, "option 'progress' must be a function");
    /* The thread gives tell_progress a stack of its own, with room for the call already there. */
    lua_State *T = lua_newthread(L);
    if (!lua_checkstack(T, LUA_MINSTACK))
        sph_error_no_memory(L);
    lua_insert(L, -2);
    lua_xmove(L, T, 1);
    for (int i = lua_gettop(L); i > 0; i--)
        if (lua_touserdata(L, i) == (void *)op->anchor) {
            lua_setiuservalue(L, i, 1);
            break;
        }
    op->progress_post.run = report_progress;
    op->progress_thread = T;
}

void sph_op_progress(sph_op *op, uint64_t done, uint64_t total) {
    sph_fault_progress(op->type->name, done, total, &op->half_told);
    atomic_store(&op->progress_total, total);
    atomic_store(&op->progress_done, done);
    if (!op->progress_post.run)
        return;
    uint64_t now = (uint64_t)(sph_now() * 1000), due = atomic_load(&op->progress_due);
    if (now < due || !atomic_compare_exchange_strong(&op->progress_due, &due, now + 100))
        return;
    if (!atomic_exchange(&op->progress_posted, true))
        sph_loop_post(op->engine->loop, &op->progress_post);
}

/* --- running and ending --------------------------------------------------------------------------------- */

static void finish(sph_post *post) {
    sph_op *op = (sph_op *)((char *)post - offsetof(sph_op, post));
    sph_engine *engine = op->engine;
    if (op->prev_flight)
        op->prev_flight->next_flight = op->next_flight;
    else
        engine->flight = op->next_flight;
    if (op->next_flight)
        op->next_flight->prev_flight = op->prev_flight;
    report_end(op);
    op->done = true;
    if (!(op->type->flags & (SPH_OP_ABANDON | SPH_OP_SHIELDED | SPH_OP_EMBEDDED | SPH_OP_IDLE)))
        sph_fault_ended(op->type->name);
    give_up_uses(op);
    if (op->waiter)
        sph_task_wake(op->waiter);
    sph_op_unref(op);
}

void sph_op_complete(sph_op *op) {
    op->post.run = finish;
    sph_loop_post(op->engine->loop, &op->post);
}

static void start(sph_op *op) {
    sph_engine *engine = op->engine;
    op->started = true;
    sph_op_ref(op);
    for (int i = 0; i < SPH_OP_USES && op->uses[i]; i++)
        op->uses[i]->in_flight++;
    op->prev_flight = NULL;
    op->next_flight = engine->flight;
    if (engine->flight)
        engine->flight->prev_flight = op;
    engine->flight = op;
    if (op->type->run)
        sph_workers_add(engine, op);
    else
        op->type->start(op);
}

void sph_op_launch(sph_op *op, sph_engine *engine, const sph_op_type *type) {
    op->type = type;
    op->engine = engine;
    op->refs = 0; /* the flight's is the only one */
    start(op);
}

void sph_op_cancel(sph_op *op) {
    if (op->done || atomic_exchange(&op->cancelled, true))
        return;
    if (op->type->cancel)
        op->type->cancel(op);
    if (op->type->flags & SPH_OP_ABANDON) {
        op->abandoned = true;
        if (op->waiter)
            sph_task_wake(op->waiter);
    }
}

bool sph_op_is_cancelled(const sph_op *op) {
    return atomic_load(&op->cancelled);
}

void sph_op_fail(sph_op *op, sph_error *error) {
    sph_error *none = NULL;
    if (!atomic_compare_exchange_strong(&op->error, &none, error))
        sph_error_free(error);
}

int sph_op_check(sph_op *op, int rc, const char *fmt, ...) {
    if (rc >= 0)
        return rc;
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    sph_op_fail(op, sph_error_errno(rc, op->type->name, "%s", text));
    return rc;
}

/* --- waiting -------------------------------------------------------------------------------------------- */

/* What an operation holds (a large buffer, an object that was opened) is not left to the collector. */
static void drop_anchor(sph_op *op) {
    if (!op->anchor)
        return;
    *op->anchor = NULL;
    op->anchor = NULL;
    op->progress_thread = NULL;
    sph_op_unref(op);
}

static int results(lua_State *L, sph_op *op) {
    sph_error *error = op->error;
    if (op->abandoned || (error && op->cancelled && error->errnum == ECANCELED)) {
        drop_anchor(op);
        return sph_task_raise_cancelled(L);
    }
    int n = 1;
    if (error) {
        lua_pushnil(L);
        sph_error_push(L, error);
        n = 2;
    } else if (op->type->push) {
        n = op->type->push(L, op);
    } else {
        lua_pushboolean(L, 1);
    }
    drop_anchor(op);
    return n;
}

static int go_on(lua_State *L, int status, lua_KContext context) {
    (void)status;
    return results(L, (sph_op *)context);
}

int sph_op_await(lua_State *L, sph_op *op) {
    sph_engine *engine = op->engine;
    sph_task *task = engine->current;
    start(op);
    if (task) {
        op->waiter = task;
        task->waiting = op;
        return lua_yieldk(L, 0, (lua_KContext)op, go_on);
    }
    sph_op *outer = engine->awaited;
    engine->awaited = op;
    while (!op->done && !op->abandoned)
        sph_engine_step(engine, -1);
    engine->awaited = outer;
    return results(L, op);
}
